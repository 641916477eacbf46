"""Key-value caches and recurrent states of a decoding batch: rows leave them, and other rows join them.

A cache layer of attention has one column per token, (B, heads, columns, head size); a recurrent layer (convolution,
state space, linear attention) has states without a column per token. Batches are padded on the left, so that the last
token of every row is in the last column.
"""

import inspect
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import (
    Cache,
    DummyLayer,
    DynamicLayer,
    DynamicSlidingWindowLayer,
    LinearAttentionAndFullAttentionLayer,
    LinearAttentionAndSlidingWindowAttentionLayer,
    LinearAttentionLayer,
    StaticLayer,
)

from models.shared_base import each_row

_MERGEABLE = {
    DummyLayer,
    DynamicLayer,
    DynamicSlidingWindowLayer,
    LinearAttentionAndFullAttentionLayer,
    LinearAttentionAndSlidingWindowAttentionLayer,
    LinearAttentionLayer,
}
"""Layers whose contents are known; `merge` would lose what another layer stores beside keys and values."""


def forward(
    model: PreTrainedModel,
    tokens: Tensor,
    mask: Tensor,
    positions: Tensor,
    cache: Cache,
    adapters: Sequence[str | None] = (),
) -> Tensor:
    """Logits of the next token: (B, V) float32. Appends `tokens` (B, new tokens) to the cache.

    `adapters` names the adapter of each row: None for the active one, `shared_base.BASE` for the base model alone.
    """
    inputs: dict[str, Any] = {"position_ids": positions, "logits_to_keep": _last_column(tokens)}
    if any(isinstance(layer, DynamicLayer | StaticLayer) for layer in cache.layers):
        inputs["attention_mask"] = mask  # Mamba would multiply the new token's state by the mask of all columns
    accepted = _accepted(model)
    inputs = {name: value for name, value in inputs.items() if name in accepted}
    stored = "cache_params" if "cache_params" in accepted else "past_key_values"
    with each_row(model, adapters):
        logits: Tensor = model(input_ids=tokens, use_cache=True, **{stored: cache}, **inputs).logits
    return logits[:, -1].float()


def is_recurrent(cache: DynamicCache) -> bool:
    """Whether a layer has recurrent states, which padding on the left would change."""
    return any(isinstance(layer, LinearAttentionLayer) for layer in cache.layers)


def can_merge(cache: DynamicCache) -> bool:
    """Whether `merge` knows all layers of the cache."""
    return all(type(layer) in _MERGEABLE for layer in cache.layers)


def select(cache: DynamicCache, rows: Tensor) -> None:
    """Keep the rows with these indices, in place. Unlike `batch_select_indices`, all kinds of layers have this."""
    cache.reorder_cache(rows)


def merge(cache: DynamicCache, other: DynamicCache) -> None:
    """Append the rows of `other`, in place; the narrower of the two gets columns of zeros on the left."""
    for own, new in zip(cache.layers, other.layers, strict=True):
        if isinstance(own, DynamicLayer) and own.is_initialized:
            _merge_columns(own, new)
        if isinstance(own, LinearAttentionLayer):
            _merge_states(own, new)


def trim(cache: DynamicCache, columns: int) -> None:
    """Keep the last `columns` columns, in place: those before are padding in all rows."""
    for layer in cache.layers:
        if isinstance(layer, DynamicLayer) and layer.is_initialized:
            layer.keys, layer.values = layer.keys[:, :, -columns:], layer.values[:, :, -columns:]
        if isinstance(layer, DynamicSlidingWindowLayer):
            layer.cumulative_length = min(layer.cumulative_length, columns)


def _merge_columns(own: DynamicLayer, new: DynamicLayer) -> None:
    columns = max(own.keys.shape[-2], new.keys.shape[-2])
    own.keys = torch.cat([_widen(own.keys, columns), _widen(new.keys, columns)])
    own.values = torch.cat([_widen(own.values, columns), _widen(new.values, columns)])
    if isinstance(own, DynamicSlidingWindowLayer):
        own.cumulative_length = max(own.cumulative_length, new.cumulative_length)


def _merge_states(own: LinearAttentionLayer, new: LinearAttentionLayer) -> None:
    for states, others in ((own.conv_states, new.conv_states), (own.recurrent_states, new.recurrent_states)):
        for index, state in states.items():
            if state is not None:
                states[index] = torch.cat([state, others[index]])


def _widen(states: Tensor, columns: int) -> Tensor:
    return torch.nn.functional.pad(states, (0, 0, columns - states.shape[-2], 0))


def _last_column(tokens: Tensor) -> Tensor | int:
    """Which hidden states become logits, for transformers' `logits_to_keep`.

    With an index, as a tensor, the hidden states are copied; with the number 1 they are a view with gaps between the
    rows. torch multiplies such a view by the output layer row by row, in bfloat16 with a copy of the layer for each row
    (PyTorch 2.13 on a CPU: 3.6 GB for 64 rows of SmolLM2-135M).
    """
    columns = tokens.shape[1]
    return 1 if columns == 1 else torch.tensor([columns - 1], device=tokens.device)


def _accepted(model: PreTrainedModel) -> frozenset[str]:
    """The parameters of the forward pass; those of the base model, where peft wraps it."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return _parameters(type(base))  # type: ignore[arg-type]  # a class is hashable


@lru_cache(maxsize=64)
def _parameters(kind: type[PreTrainedModel]) -> frozenset[str]:
    return frozenset(inspect.signature(kind.forward).parameters)
