"""How many bytes each step needs, from the shapes alone: estimates, before a weight is read.

Formulas count what dominates. A transformer of L layers, hidden size H, feed-forward size F and key and value size K
keeps about 8 H + 2 K + 4 F numbers a token and layer for its backward pass (inputs of the norms and of the matrices,
queries, keys, values, the output of the attention, and the two halves of the feed-forward layer with their product).
Weights that are trained have gradients (4 bytes) and Adam's two moments (8 bytes) beside them. benchmarks/memory.py
compares with what is measured.
"""

from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from models import adapters
from models.adapters import AdapterSettings
from models.compute import Compute
from models.logits import CHUNK

LIBRARIES = 600 * 2**20
"""Bytes of Python with torch and transformers, before a model is loaded."""


class Shape(NamedTuple):
    """The shape of a base model."""

    parameters: int
    trained: int
    """Parameters of one role that are trained: all, or those of an adapter."""
    layers: int
    hidden: int
    feed_forward: int
    keys: int
    """Numbers of a key, or a value, of one token in one layer."""
    vocabulary: int


class Need(NamedTuple):
    """What a step needs at its peak, in bytes, beside the libraries."""

    weights: int
    gradients: int
    moments: int
    activations: int
    logits: int
    cache: int
    """Keys and values of the answers that are being sampled."""
    disk: int
    """What the step writes: checkpoint and model."""

    @property
    def memory(self) -> int:
        """Bytes at the peak: while sampling there are no activations, and the other way round."""
        learning = self.gradients + self.activations + self.logits
        return LIBRARIES + self.weights + self.moments + max(learning, self.cache)


def shape_of(config: Any, adapter: AdapterSettings | None) -> Shape:
    """The shape of the model that a configuration describes; no weight is made.

    Raises:
        BadParams: a target of the adapter is no layer of the model.
    """
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    text = config.get_text_config()
    heads = text.num_attention_heads
    size = getattr(text, "head_dim", None) or text.hidden_size // heads
    total = sum(parameter.numel() for parameter in model.parameters())
    return Shape(
        parameters=total,
        trained=_adapter_size(model, adapter) if adapter else total,
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        feed_forward=getattr(text, "intermediate_size", None) or 4 * text.hidden_size,
        keys=(getattr(text, "num_key_value_heads", None) or heads) * size,
        vocabulary=text.vocab_size,
    )


def activations(shape: Shape, compute: Compute, adapter: bool) -> int:
    """Bytes that one microbatch keeps for its backward pass."""
    size = 2 if compute.dtype == "bfloat16" else 4
    layer = (8 * shape.hidden + 2 * shape.keys + 4 * shape.feed_forward) * size
    if adapter and size == 2:  # an adapter reads a float32 copy of what its matrix reads
        layer += 4 * (3 * shape.hidden + shape.feed_forward)
    kept = shape.hidden * size * shape.layers + layer if compute.recompute else layer * shape.layers
    return kept * compute.microbatch_tokens


def logits(shape: Shape, tokens: int) -> int:
    """Bytes of logits in float32 with their softmax and gradient: at most three chunks."""
    return 3 * min(CHUNK, 4 * shape.vocabulary * tokens)


def cache(shape: Shape, compute: Compute, rows: int, tokens: int) -> int:
    """Bytes of keys and values for so many rows of so many tokens."""
    size = 2 if compute.dtype == "bfloat16" else 4
    return 2 * shape.layers * shape.keys * size * rows * tokens


def _adapter_size(model: PreTrainedModel, knobs: AdapterSettings) -> int:
    wanted = set(adapters.targets(model, knobs.targets))
    return sum(
        knobs.rank * sum(layer.weight.shape)
        for path, layer in model.named_modules()
        if isinstance(layer, nn.Linear | Conv1D) and path.rsplit(".", 1)[-1] in wanted
    )
