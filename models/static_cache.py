"""The cache of a running batch with tensors that stay where they are: for a GPU, which can then replay a recorded step.

Each row has a slot, and its tokens are in columns 0, 1, 2… of it: the token at position p is written to column p, and
reads the columns up to p. So the shapes of a step depend on its bucket alone (`models.buckets`), its inputs are the
tokens and positions of all slots, and rows come and go without a copy of the others.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import Cache, DynamicLayer, StaticLayer

from models import caches, graphs
from models.buckets import Bucket, bucket
from models.graphs import Runner
from models.growing_cache import GrowingCache


class SlotLayer(StaticLayer):  # type: ignore[misc]  # untyped in transformers
    """Keys and values of a layer, (slots, heads, columns, head size), written at the position of each slot.

    A `StaticLayer` of transformers writes the same column in all rows. As it is one, transformers makes the attention
    mask from `attention_mask` without reading that on the host.
    """

    def __init__(self, keys: Tensor, values: Tensor, positions: Tensor) -> None:
        """`positions` (slots, 1) int64 are read when the layer is used, not here."""
        super().__init__(max_cache_len=keys.shape[2])
        self.keys, self.values, self.is_initialized = keys, values, True
        self._positions = positions[:, None, :, None]

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Write the keys and values of a token, (slots, heads, 1, head size), in place; those of all columns."""
        for states, new in ((self.keys, key_states), (self.values, value_states)):
            states.scatter_(2, self._positions.expand_as(new), new.to(states.dtype))
        return self.keys, self.values

    def get_seq_length(self) -> int:
        """All columns but one, so that the causal mask excludes none; `attention_mask` excludes those to come."""
        columns: int = self.keys.shape[2]
        return columns - 1


class StaticCache:
    """Keys and values of one running batch at a time; the tensors, and the recorded steps, are used by the next."""

    def __init__(self, model: PreTrainedModel, runner: Runner) -> None:
        """Empty; the tensors are made when the first rows are merged.

        Args:
            model: the model, in evaluation mode.
            runner: runs a step, or replays it.
        """
        self._model, self._runner = model, runner
        self._state: object = None
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []
        self._inputs = torch.zeros(2, 0, 1, dtype=torch.long, device=model.device)
        self._columns = torch.arange(0, device=model.device)
        self._slots: list[int] = []
        self._limits: list[int] = []
        self._index = torch.arange(0, device=model.device)

    @property
    def slots(self) -> list[int]:
        """The slot of each row."""
        return self._slots

    @property
    def bucket(self) -> Bucket:
        """The shape of the next step."""
        return bucket(len(self._slots), max(self._limits))

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors that a recorded step reads and writes: tokens with positions, keys, values."""
        return [self._inputs, *self._keys, *self._values]

    def step(self, tokens: Tensor, positions: Tensor, adapters: Sequence[str | None]) -> Tensor:
        """Append a token (B, 1) to each row; the logits of the next tokens, (B, V) float32."""
        self._inputs[0].index_copy_(0, self._index, tokens)
        self._inputs[1].index_copy_(0, self._index, positions)
        if any(adapters):  # hooks, and lists of rows, which cannot be recorded
            return self._forward(self.bucket, self._names(adapters)).index_select(0, self._index)
        logits = self._runner(self.bucket, partial(self._forward, self.bucket))
        return logits.index_select(0, self._index)  # a copy, since a replay writes to the same tensor

    def select(self, rows: Sequence[int]) -> None:
        """Keep the rows with these indices, each once. Moves rows only where fewer slots are enough from now on."""
        slots = [self._slots[row] for row in rows]
        self._limits = [self._limits[row] for row in rows]
        count = bucket(len(rows), 1).rows
        free = iter(sorted(set(range(count)) - set(slots)))
        moves = {slot: next(free) for slot in slots if slot >= count}
        self._move(moves)
        self._place([moves.get(slot, slot) for slot in slots])

    def merge(self, other: GrowingCache, limits: Sequence[int]) -> None:
        """Append the rows of `other`, which is emptied, to free slots.

        Recorded steps are dropped here if the state of the model is another, so it must not change between two calls.

        Args:
            other: the cache of the new rows, of which `can_hold` is true.
            limits: the most tokens that each of them may have, prompt and answer.
        """
        self._check_state()
        self._limits += limits
        wanted = bucket(len(self._limits), max(self._limits))
        self._reserve(wanted, other.layers)
        free = sorted(set(range(wanted.rows)) - set(self._slots))[: len(limits)]
        self._fill(other, torch.tensor(free, device=self._index.device))
        self._place(self._slots + free)

    def trim(self, columns: int) -> None:
        """Nothing to do: no row has padding before its first token."""

    def clear(self) -> None:
        """Remove all rows; tensors and recorded steps are kept."""
        self._slots, self._limits = [], []

    def _forward(self, shape: Bucket, adapters: Sequence[str | None] = ()) -> Tensor:
        """The forward pass of a step: reads and writes tensors that stay where they are, and nothing on the host."""
        rows, columns = shape
        tokens, positions = self._inputs[:, :rows]
        layers = [
            SlotLayer(keys[:rows, :, :columns], values[:rows, :, :columns], positions)
            for keys, values in zip(self._keys, self._values, strict=True)
        ]
        mask = self._columns[:columns] <= positions  # (rows, columns); a free slot reads column 0, which it writes
        return caches.forward(self._model, tokens, mask, positions, Cache(layers=layers), adapters)

    def _names(self, adapters: Sequence[str | None]) -> list[str | None]:
        names: list[str | None] = [None] * self.bucket.rows
        for slot, name in zip(self._slots, adapters, strict=True):
            names[slot] = name
        return names

    def _place(self, slots: list[int]) -> None:
        self._slots = slots
        self._index = torch.tensor(slots, dtype=torch.long, device=self._index.device)
        self._inputs.zero_()  # a free slot must not keep a position beyond the columns of a smaller bucket

    def _move(self, slots: dict[int, int]) -> None:
        if slots:
            old, new = (torch.tensor(part, device=self._index.device) for part in (list(slots), list(slots.values())))
            for states in (*self._keys, *self._values):
                states[new] = states[old]

    def _check_state(self) -> None:
        if (state := graphs.state(self._model)) != self._state:
            self._runner.forget()
            self._state = state
            if not self._slots:
                self._keys, self._values = [], []  # their type may be another now

    def _reserve(self, shape: Bucket, like: DynamicCache) -> None:
        """Make tensors of at least this shape; new ones end the use of all recorded steps, which have old addresses."""
        rows, columns = self._inputs.shape[1], len(self._columns)
        if self._keys and shape.rows <= rows and shape.columns <= columns:
            return
        self._runner.forget()
        rows, columns = max(rows, shape.rows), max(columns, shape.columns)
        device = self._index.device
        if not self._slots:
            self._keys, self._values = [], []  # freed before the new ones are made
        self._inputs = torch.zeros(2, rows, 1, dtype=torch.long, device=device)
        self._columns = torch.arange(columns, device=device)
        self._keys = self._larger(self._keys, [layer.keys for layer in like.layers], rows, columns)
        self._values = self._larger(self._values, [layer.values for layer in like.layers], rows, columns)

    def _larger(self, old: list[Tensor], like: Sequence[Tensor], rows: int, columns: int) -> list[Tensor]:
        """What is in the old tensors, and zeros: masked columns must be finite. Frees the old ones layer by layer."""
        new = []
        for states in like:
            new.append(torch.zeros(rows, states.shape[1], columns, states.shape[3], **_type(states)))
            if old:
                part = old.pop(0)
                new[-1][: part.shape[0], :, : part.shape[2]] = part
        return new

    def _fill(self, other: GrowingCache, slots: Tensor) -> None:
        """Copy keys and values, whose padding is on the left, so that each row begins in column 0."""
        width = other.mask.shape[1]
        padding = width - other.mask.sum(dim=1, keepdim=True)  # (B, 1)
        source = (torch.arange(width, device=slots.device) + padding).clamp(max=width - 1)[:, None, :, None]
        for layer, keys, values in zip(other.layers.layers, self._keys, self._values, strict=True):
            for states, new in ((keys, layer.keys), (values, layer.values)):
                states[:, :, :width].index_copy_(0, slots, new.gather(2, source.expand_as(new)).to(states.dtype))
            layer.reset()


def can_hold(cache: DynamicCache) -> bool:
    """Whether the layers of this cache, after a forward pass, have keys and values of all columns and nothing else."""
    return all(type(layer) is DynamicLayer and layer.is_initialized for layer in cache.layers)


def _type(states: Tensor) -> dict[str, Any]:
    """The type and device of stored keys or values. Under autocast, attention would cast float32 in each step."""
    kind = states.device.type
    casts = torch.is_autocast_enabled(kind) and states.dtype == torch.float32
    return {"dtype": torch.get_autocast_dtype(kind) if casts else states.dtype, "device": states.device}


def automatic(model: PreTrainedModel) -> StaticCache | None:
    """A static cache on a GPU; None on a CPU, where the padding of a bucket costs more than it saves."""
    return StaticCache(model, graphs.runner(model)) if model.device.type == "cuda" else None
