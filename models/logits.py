"""Log-probabilities of tokens from hidden states, without the logits of all tokens in memory at once."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from core.errors import BadModel
from models import sharding

CHUNK = 64 * 2**20
"""Bytes of float32 logits that are in memory at a time."""

OutputLayer = Callable[[Tensor], Tensor]
"""Hidden states (N, H) → logits (N, V)."""


def output_layer(model: PreTrainedModel) -> OutputLayer:
    """The last layer of a language model, which turns its last hidden states into logits.

    Some families divide, multiply or cap the logits (Granite, Cohere, Gemma 2).

    Raises:
        BadModel: the logits of the model are not made in this way.
    """
    layer, config = model.get_output_embeddings(), model.config.get_text_config()
    factor = getattr(config, "logit_scale", None) or 1.0
    factor /= getattr(config, "logits_scaling", None) or 1.0
    cap = getattr(config, "final_logit_softcapping", None)

    def logits(hidden: Tensor) -> Tensor:
        raw: Tensor = layer(hidden) * factor if factor != 1.0 else layer(hidden)
        return cap * torch.tanh(raw / cap) if cap else raw

    _check(model, layer, logits)
    return logits


def token_logprobs(hidden: Tensor, tokens: Tensor, layer: OutputLayer, width: int, temperature: float) -> Tensor:
    """Log-probability of each token in nats: (N,) float32.

    Args:
        hidden: the last hidden states that predict the tokens, (N, H).
        tokens: (N,) int64.
        layer: see `output_layer`.
        width: number of logits, V.
        temperature: divides the logits.

    More than `CHUNK` bytes of logits are computed in chunks, and again in the backward pass instead of being kept.
    """

    def logprobs(hidden: Tensor, tokens: Tensor) -> Tensor:
        logits = layer(hidden).float()
        return -F.cross_entropy(logits if temperature == 1.0 else logits / temperature, tokens, reduction="none")

    size = max(CHUNK // (4 * width), 1)
    if len(tokens) <= size:
        return logprobs(hidden, tokens)
    parts = zip(torch.split(hidden, size), torch.split(tokens, size), strict=True)
    return torch.cat([checkpoint(logprobs, *part, use_reentrant=False) for part in parts])


@torch.no_grad()
def _check(model: PreTrainedModel, layer: nn.Module | None, logits: OutputLayer) -> None:
    """Compare with the model's own logits for two tokens."""
    family = model.config.model_type
    if layer is None:
        raise BadModel(f"a model of the type {family} has no output layer; use a causal language model")
    ids = torch.tensor([[0, 1]], device=model.device)
    expected = model(input_ids=ids, use_cache=False).logits.float()
    hidden = sharding.inside(model, lambda ids: model.base_model(input_ids=ids, use_cache=False).last_hidden_state, ids)
    computed = sharding.inside(model, logits, hidden).float()
    if not torch.allclose(computed, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max())):
        raise BadModel(
            f"models of the type {family} compute their logits in a way that is not supported (not from the last "
            "hidden state by one layer); use a model of another type as model.base"
        )
