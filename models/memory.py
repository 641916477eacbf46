"""How many bytes each step needs, from the shapes alone: estimates, before a weight is read.

Formulas count the tensors that autograd saves and the largest of those that come and go. A transformer of L layers,
hidden size H, feed-forward size F and key and value size K keeps 8 H + 2 K + 4 F numbers a token and layer for its
backward pass (inputs of the norms and of the matrices, queries, keys, values, the output of the attention, and the two
halves of the feed-forward layer with their product); with frozen weights 6 H, since the scales of norms need no
gradient. Weights that are trained have gradients (4 bytes) and Adam's two moments (8 bytes) beside them.
benchmarks/memory.py compares with what is measured (benchmarks/results/memory.md).
"""

from math import ceil
from typing import Any, Literal, NamedTuple

from torch import nn
from transformers import AutoConfig, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from models import adapters, scratch
from models.adapters import AdapterSettings
from models.buckets import bucket
from models.compute import Compute
from models.logits import CHUNK
from models.meta_model import meta_model
from models.policy import SCRATCH, ModelSettings

Critic = Literal["separate", "shared", "none"]

FRAGMENTED_TRAINING, FRAGMENTED_SAMPLING = 1.9, 1.5
"""Bytes that the allocator holds for each byte of tensors that come and go, at most; measured with glibc. There is no
such loss with `model.compact_memory`, or on a GPU."""
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
    output: int = 0
    """Parameters of an output layer of its own; 0 if it is tied to the embeddings."""


class Batches(NamedTuple):
    """How much a step computes at a time."""

    rows: int
    """Texts of a minibatch."""
    prompt: int
    """Tokens of the longest prompt."""
    answer: int
    """Tokens of the longest answer."""
    sampled: int
    """Prompts that are answered together."""
    static: bool = False
    """Keys and values are in tensors of fixed shapes, as on a GPU (`models.static_cache`)."""

    @property
    def width(self) -> int:
        """Tokens of the longest text."""
        return self.prompt + self.answer

    def shared(self, count: int) -> "Batches":
        """The part of one of several processes."""
        return self._replace(rows=ceil(self.rows / count), sampled=ceil(self.sampled / count))


class Roles(NamedTuple):
    """The models of a round."""

    shape: Shape
    compute: Compute
    adapters: bool
    """Roles are adapters of one base."""
    parts: int = 1
    """Ranks among which the weights are divided (`models.sharding`). Adapters are whole on each."""


class Need(NamedTuple):
    """What a step needs at its peak, in bytes."""

    weights: int
    """Of all models that are in memory together."""
    gradients: int
    """Of the network that is updated; they are freed after each gradient step."""
    moments: int
    activations: int
    """Of one microbatch in training, with its logits."""
    cache: int
    """Keys and values of the answers that are sampled together, with what their first forward pass needs; or, where
    that is more, what scores a microbatch of them."""
    copy: int
    """What is loaded while there are no gradients and moments: a saved model that is compared, or the checkpoint from
    which a killed training continues."""
    disk: int
    """What the step writes: models and checkpoints."""
    libraries: int = LIBRARIES
    """Of the process, or of the processes that train together and the one that started them."""

    @property
    def total(self) -> int:
        """Bytes at the peak: sampling, training and saving come one after the other."""
        learning = self.moments + max(self.gradients + self.activations, self.cache)
        return self.libraries + self.weights + max(learning, self.copy)

    def on_ranks(self, count: int) -> "Need":
        """What several processes on one CPU need together, if each needs this; one of them writes files."""
        parts = {name: count * value for name, value in self._asdict().items()}
        return Need(**{**parts, "disk": self.disk, "libraries": (count + 1) * LIBRARIES})


def shape_of(config: Any, adapter: AdapterSettings | None) -> Shape:
    """The shape of the model that a configuration describes; no weight is made.

    Raises:
        BadParams: a target of the adapter is no layer of the model.
    """
    model = meta_model(config)
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
        output=_output_size(model),
    )


def shape_of_settings(settings: ModelSettings) -> Shape:
    """The shape of the base model of a round: a new one, or one that can be loaded.

    Raises:
        BadParams: a target of the adapter is no layer of the model.
    """
    if settings.base != SCRATCH:
        return shape_of(AutoConfig.from_pretrained(settings.base, trust_remote_code=False), settings.adapter)
    config = scratch.configuration(
        vocabulary=settings.vocabulary,
        width=settings.width,
        layers=settings.layers,
        heads=settings.heads,
        feed_forward=settings.feed_forward,
        positions=settings.max_prompt_tokens + settings.max_answer_tokens,
    )
    return shape_of(config, settings.adapter)


def activations(shape: Shape, compute: Compute, adapter: bool) -> int:
    """Bytes that one microbatch keeps for its backward pass."""
    size = 2 if compute.dtype == "bfloat16" else 4
    layers = shape.hidden * size if compute.recompute else _layer(shape, compute, adapter)
    return (layers * shape.layers + 2 * shape.hidden * size) * compute.microbatch_tokens


def _layer(shape: Shape, compute: Compute, adapter: bool) -> int:
    """Bytes a token that one layer keeps. Norms compute in float32."""
    size = 2 if compute.dtype == "bfloat16" else 4
    norms = 4 * shape.hidden * (2 if adapter else 4)  # the scales of frozen norms need no gradient
    casts = 3 * shape.hidden if size == 2 and not adapter else 0  # inputs of matrices that are read in bfloat16
    return norms + (4 * shape.hidden + casts + 2 * shape.keys + 4 * shape.feed_forward) * size


def passing(shape: Shape, compute: Compute, tokens: int, adapter: bool) -> int:
    """Bytes of tensors that a layer makes and frees again, in a forward pass, or in the backward pass as gradients."""
    size = 2 if compute.dtype == "bfloat16" else 4
    changes = 2 * shape.feed_forward if adapter else 0  # the adapter's part of a product, and their sum
    return (3 * shape.feed_forward + changes + 4 * shape.hidden) * size * tokens


def logits(shape: Shape, tokens: int) -> int:
    """Bytes of logits in float32 with their softmax and gradient: at most three chunks."""
    return 3 * min(CHUNK, 4 * shape.vocabulary * tokens)


def cache(shape: Shape, compute: Compute, rows: int, tokens: int) -> int:
    """Bytes of keys and values for so many rows of so many tokens."""
    size = 2 if compute.dtype == "bfloat16" else 4
    return 2 * shape.layers * shape.keys * size * rows * tokens


def sft(roles: Roles, batches: Batches) -> Need:
    """Supervised fine-tuning: one model is trained and saved."""
    one = _trained(roles)
    return Need(
        weights=_base(roles) + one,
        gradients=one,
        moments=2 * one,
        activations=_training(roles, batches),
        cache=0,
        copy=_saved(roles, batches),
        disk=_stored(roles),
    )


def reward(roles: Roles, batches: Batches, likelihood: bool, answers: int = 2) -> Need:
    """Reward model and judge: one is trained, saved and freed before the next.

    Args:
        roles: the models.
        batches: `rows` are texts: those of a minibatch with all their answers.
        likelihood: the score has a likelihood term, which needs logits.
        answers: to a prompt, which are in one microbatch.
    """
    one = _trained(roles)
    return Need(
        weights=_base(roles) + (2 * one if roles.adapters else one),  # with adapters, that of the SFT model stays
        gradients=one,
        moments=2 * one,
        activations=_training(roles, batches, together=answers, logits_too=likelihood, packed=not likelihood),
        cache=0,
        copy=_saved(roles, batches),
        disk=2 * _stored(roles),
    )


def policy(roles: Roles, batches: Batches, critic: Critic, from_sft: bool, checkpoints: int = 2) -> Need:
    """Reinforcement learning: policy and critic are trained; reference and reward model score.

    Args:
        roles: the models.
        batches: `rows` are answers of a minibatch.
        critic: the critic, if there is one.
        from_sft: the policy starts from the SFT model, not from the champion.
        checkpoints: that are on the disk at one time: a new one is complete before the old one is removed.
    """
    one = _trained(roles)
    value = _trained(roles, trunk=True) if critic == "separate" else 0
    start = one if roles.adapters and not from_sft else 0  # the champion's adapter, of which the policy is a copy
    stored = _stored(roles)
    checkpoint = 3 * (stored + (_stored(roles, trunk=True) if critic == "separate" else 0))  # weights and moments
    read = 3 * (one + value)  # the part of a rank
    on_cpu = read if checkpoints and (not batches.static or roles.parts > 1) else 0
    return Need(
        weights=_base(roles) + 3 * one + value + start,
        gradients=one,
        moments=2 * (one + value),
        activations=_training(roles, batches),
        cache=max(_sampling(roles, batches), _scoring(roles, batches)),
        copy=max(_saved(roles, batches), on_cpu),
        disk=stored + checkpoints * checkpoint,
    )


def sampling(roles: Roles, batches: Batches, models: int, other: int = 0) -> Need:
    """Answers are sampled and scored by so many models, one after the other; with adapters, all stay.

    Args:
        roles: the models.
        batches: `sampled` are prompts.
        models: how many.
        other: bytes of a model that has another base; see `other_base`.
    """
    one = _trained(roles)
    weights = _base(roles) + (models * one if roles.adapters else one) + other
    scoring = _scoring(roles, batches) if models > 1 else 0
    return Need(weights, 0, 0, 0, cache=max(_sampling(roles, batches), scoring), copy=0, disk=0)


def other_base(roles: Roles, whole: bool) -> int:
    """Bytes of a champion of the same shape that shares no base with the round's models, as after `rounds rebase`.

    Args:
        roles: the models of the round.
        whole: the champion has no adapter. It is then in memory alone if the round's models have none either.
    """
    if whole:
        return 4 * roles.shape.parameters if roles.adapters else 0
    return _base(roles._replace(adapters=True))


def _base(roles: Roles) -> int:
    return ceil(_size(roles) * roles.shape.parameters / roles.parts) if roles.adapters else 0


def _size(roles: Roles) -> int:
    """Bytes of a number of what is computed with."""
    return 2 if roles.compute.dtype == "bfloat16" else 4


def _trained(roles: Roles, trunk: bool = False) -> int:
    """Bytes of the float32 weights of a role on a rank: all, or those of its adapter. A trunk has no output layer."""
    if roles.adapters:
        return 4 * roles.shape.trained
    without = roles.shape.output if trunk else 0
    return ceil(4 * (roles.shape.trained - without) / roles.parts)


def _stored(roles: Roles, trunk: bool = False) -> int:
    """Bytes of the float32 weights of a role on the disk."""
    return _trained(roles._replace(parts=1), trunk)


def _saved(roles: Roles, batches: Batches) -> int:
    """Bytes of a saved model that is compared, and of a divided one when the first rank collects it, on a CPU."""
    whole = 0 if batches.static or roles.parts == 1 or roles.adapters else ceil(_stored(roles) / roles.parts)
    return _trained(roles) + whole


def _collected(roles: Roles) -> int:
    """Bytes of what a rank collects at a time to train: two layers, of which one is fetched ahead, and the rest."""
    if roles.parts == 1:
        return 0
    shape = roles.shape
    rest = shape.vocabulary * shape.hidden + shape.output
    return _size(roles) * (rest + 2 * (shape.parameters - rest) // shape.layers)


def _whole(roles: Roles) -> int:
    """Bytes of a whole model, which each rank collects to sample."""
    return _size(roles) * roles.shape.parameters if roles.parts > 1 else 0


def _training(roles: Roles, batches: Batches, together: int = 1, logits_too: bool = True, packed: bool = False) -> int:
    """Bytes of a microbatch, whose texts belong together in groups of this size, and may be in one row (packed)."""
    shape, compute = roles.shape, roles.compute
    rows = max(min(compute.microbatch_tokens // batches.width, batches.rows) // together, 1) * together
    tokens = max(rows * batches.width, _packed_tokens(compute, batches, together) if packed else 0)
    kept = activations(shape, compute._replace(microbatch_tokens=tokens), roles.adapters)
    again = _layer(shape, compute, roles.adapters) * tokens if compute.recompute else 0
    layer = again + passing(shape, compute, tokens, adapter=False)
    # logits come before the first layer of the backward pass; the gradient of the output layer stays if it is tied
    output = 0 if roles.adapters or not logits_too else 4 * shape.vocabulary * shape.hidden
    used = kept + max(logits(shape, rows * batches.answer) if logits_too else 0, layer) + output
    return round(used * (1 if compute.compact else FRAGMENTED_TRAINING)) + _casts(roles) + _collected(roles)


def _packed_tokens(compute: Compute, batches: Batches, together: int) -> int:
    """Tokens of a microbatch of rows that are a prompt with this many answers (`models.packing`)."""
    width = batches.prompt + together * batches.answer
    return max(min(compute.microbatch_tokens // width, batches.rows // together), 1) * width


def _sampling(roles: Roles, batches: Batches) -> int:
    """The larger of the first forward pass, of the prompts, and of the last step, with the keys and values of each."""
    shape, compute, rows = roles.shape, roles.compute, batches.sampled
    prompts = cache(shape, compute, rows, batches.prompt)
    first = prompts + passing(shape, compute, rows * batches.prompt, roles.adapters)
    step = rows * shape.vocabulary * 24  # float32: logits, divided, logarithms, probabilities; float64: their sums
    keys = cache(shape, compute, rows, batches.width)
    if batches.static:  # beside those of the prompts, from which they are copied; logits of a graph for each shape
        keys = cache(shape, compute, *bucket(rows, batches.width)) + prompts
        step += 2 * rows * shape.vocabulary * 4  # rows are removed by halves
    copied = keys // (2 * shape.layers)  # the keys, or the values, of a layer
    used = max(first, keys + step + copied)
    return round(used * (1 if compute.compact else FRAGMENTED_SAMPLING)) + _casts(roles) + _whole(roles)


def _scoring(roles: Roles, batches: Batches) -> int:
    """A microbatch of answers without gradients."""
    rows = max(min(roles.compute.microbatch_tokens // batches.width, batches.sampled), 1)
    layer = passing(roles.shape, roles.compute, rows * batches.width, roles.adapters)
    return max(layer, logits(roles.shape, rows * batches.answer)) + _casts(roles) + _collected(roles)


def _casts(roles: Roles) -> int:
    """Copies in bfloat16 of weights that are kept in float32. Divided ones are collected in bfloat16."""
    copied = roles.compute.dtype == "bfloat16" and not roles.adapters and roles.parts == 1
    return 2 * roles.shape.parameters if copied else 0


def _adapter_size(model: PreTrainedModel, knobs: AdapterSettings) -> int:
    wanted = set(adapters.targets(model, knobs.targets))
    return sum(
        knobs.rank * sum(layer.weight.shape)
        for path, layer in model.named_modules()
        if isinstance(layer, nn.Linear | Conv1D) and path.rsplit(".", 1)[-1] in wanted
    )


def _output_size(model: PreTrainedModel) -> int:
    output, inputs = model.get_output_embeddings(), model.get_input_embeddings()
    return 0 if output is None or output.weight is inputs.weight else output.weight.numel()
