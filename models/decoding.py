"""The decoding loop: rows are admitted into a running batch, sampled token by token, and leave when they have ended.

Rollouts admit all rows at once; a server admits requests as they come. Each row has its own uniform random numbers,
temperature, limit and adapter, so that an answer does not depend (except for rounding) on the other rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from itertools import groupby
from threading import Event
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from models import caches, static_cache
from models.growing_cache import GrowingCache
from models.sampling import draw
from models.static_cache import StaticCache


class DecodingRequest(NamedTuple):
    """A prompt to answer."""

    prompt: Sequence[int]
    """Token ids, at least one."""
    limit: int
    """Maximum tokens of the answer, EOS included; at least 1."""
    uniforms: Tensor | None
    """(limit,) float64 random numbers in [0, 1) on the CPU, one per token; None takes the most likely tokens."""
    temperature: float = 1.0
    """Divides the logits, in the log-probabilities too."""
    adapter: str | None = None
    """Name of the peft adapter that answers; None: the active one; `shared_base.BASE`: the base model alone."""


class SampledAnswer(NamedTuple):
    """The sampled token ids of one row, and their log-probabilities in nats."""

    ids: list[int]
    logprobs: list[float]


class Pace(NamedTuple):
    """When sampled tokens are read from the device, and when rows that have ended are removed."""

    read_every: int
    """Steps between two reads: each waits for the device."""
    remove_from: float
    """Share of ended rows from which they are removed, which copies the cache."""


IMMEDIATELY = Pace(1, 0.0)
"""On a CPU a row that has ended costs as much as any other (benchmarks/results/rollout.md)."""
SELDOM = Pace(8, 0.5)
"""On a GPU the rows of a step are computed together, and a read interrupts the queue of kernels."""


@dataclass
class _Row:
    ticket: int
    request: DecodingRequest
    answer: SampledAnswer = field(default_factory=lambda: SampledAnswer([], []))
    ended: bool = False

    @property
    def most_columns(self) -> int:
        """Tokens in the cache at its limit."""
        return len(self.request.prompt) + self.request.limit

    @property
    def columns(self) -> int:
        """Tokens in the cache, once the last sampled token has been appended."""
        return len(self.request.prompt) + len(self.answer.ids)

    def append(self, token: int, logprob: float, end_ids: frozenset[int]) -> None:
        if not self.ended:
            self.answer.ids.append(token)
            self.answer.logprobs.append(logprob)
            self.ended = token in end_ids or len(self.answer.ids) == self.request.limit


@dataclass
class _State:
    """Tensors of a batch, one row each."""

    positions: Tensor
    """(B, 1) position of the last token in the cache"""
    last: Tensor
    """(B, 1) largest position of the row: a row that has ended and is still there stays at it"""
    uniforms: Tensor
    """(B, limit) random numbers; negative for the most likely token"""
    steps: Tensor
    """(B, 1) number of tokens sampled so far"""
    temperatures: Tensor
    """(B, 1) float32"""
    logits: Tensor
    """(B, V) float32, of the next token"""
    tokens: Tensor
    """(B, 1) the token sampled last"""

    def select(self, rows: Sequence[int]) -> None:
        index = torch.tensor(rows, device=self.tokens.device)
        for part in fields(self):
            setattr(self, part.name, getattr(self, part.name)[index])

    def merge(self, other: "_State") -> None:
        width = max(self.uniforms.shape[1], other.uniforms.shape[1])
        self.uniforms, other.uniforms = _widen(self.uniforms, width), _widen(other.uniforms, width)
        for part in fields(self):
            setattr(self, part.name, torch.cat([getattr(self, part.name), getattr(other, part.name)]))


@dataclass
class _Batch:
    """Rows that are decoded together."""

    rows: list[_Row]
    state: _State
    cache: GrowingCache | StaticCache
    unread: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    """Tokens and log-probabilities of the steps since the last read, (B,) each"""

    def sample(self) -> None:
        """Sample the next token of each row."""
        state = self.state
        logprobs = (state.logits / state.temperatures).log_softmax(dim=-1)  # (B, V)
        greedy = [row.request.uniforms is None for row in self.rows]
        uniforms = state.uniforms.gather(1, state.steps.clamp(max=state.uniforms.shape[1] - 1))[:, 0]
        chosen = logprobs.argmax(dim=-1) if any(greedy) else draw(logprobs, uniforms)  # (B,)
        if any(greedy) and not all(greedy):
            chosen = torch.where(uniforms < 0, chosen, draw(logprobs, uniforms))
        self.unread.append((chosen, logprobs.gather(1, chosen[:, None])[:, 0]))
        state.tokens, state.steps = chosen[:, None], state.steps + 1
        state.logits = state.logits[:, :0]  # used: rows that are removed now need not copy them

    def is_due(self, pace: Pace) -> bool:
        """Whether it is time to read: after some steps, or because a row has reached its limit."""
        left = min(row.request.limit - len(row.answer.ids) for row in self.rows if not row.ended)
        return len(self.unread) >= min(left, pace.read_every)

    def read(self, end_ids: frozenset[int]) -> Iterator[_Row]:
        """Append the unread tokens to the answers; the rows that have ended now."""
        running = [row for row in self.rows if not row.ended]
        if self.unread:
            tokens, logprobs = (torch.stack(part, dim=1).tolist() for part in zip(*self.unread, strict=True))
            for row, ids, values in zip(self.rows, tokens, logprobs, strict=True):
                for token, logprob in zip(ids, values, strict=True):
                    row.append(token, logprob, end_ids)
            self.unread.clear()
        return (row for row in running if row.ended)

    def remove_ended(self, share: float) -> None:
        """Remove the rows that have ended if they are at least this share of all."""
        active = [index for index, row in enumerate(self.rows) if not row.ended]
        ended = len(self.rows) - len(active)
        if not ended or ended < share * len(self.rows):
            return
        self.rows = [self.rows[index] for index in active]
        if active:
            self.state.select(active)
            self.cache.select(active)

    def feed(self) -> None:
        """Append the sampled tokens to the cache, and compute the logits of the next ones."""
        state = self.state
        state.positions = torch.minimum(state.positions + 1, state.last)
        # the adapter of a row that has ended may have been removed
        adapters = [None if row.ended else row.request.adapter for row in self.rows]
        state.logits = self.cache.step(state.tokens, state.positions, adapters)

    def merge(self, rows: list[_Row], state: _State, cache: GrowingCache) -> None:
        """Append new rows. Those of this batch have no unread tokens, and none has ended."""
        self.cache.trim(max(row.columns for row in self.rows))  # otherwise one that never empties would grow forever
        cache.trim(max(row.columns for row in rows))
        self.state.merge(state)
        self.cache.merge(cache, [row.most_columns for row in rows])
        self.rows += rows


class DecodingLoop:
    """Decodes requests that come and go. Not thread-safe: one thread calls `admit`, `withdraw` and `step`."""

    def __init__(
        self,
        model: PreTrainedModel,
        end_ids: Sequence[int],
        pad_id: int,
        pace: Pace | None = None,
        static: StaticCache | Literal["automatic"] | None = "automatic",
    ) -> None:
        """No rows yet.

        Args:
            model: the model, in evaluation mode.
            end_ids: token ids that end an answer.
            pad_id: token id of the padding.
            pace: when tokens are read, and rows removed; by default as the device needs it.
            static: decodes rows whose keys and values it can hold; by default there is one on a GPU.
        """
        self._model, self._end_ids, self._pad_id = model, frozenset(end_ids), pad_id
        self._pace = pace or (SELDOM if model.device.type == "cuda" else IMMEDIATELY)
        self._static = static_cache.automatic(model) if static == "automatic" else static
        self._batches: list[_Batch] = []
        self._tickets = 0
        self._finished: dict[int, SampledAnswer] = {}

    @property
    def active(self) -> int:
        """Number of rows that have not ended, as far as their tokens have been read."""
        return sum(not row.ended for batch in self._batches for row in batch.rows)

    @property
    def running(self) -> dict[int, Sequence[int]]:
        """Ticket → the token ids so far of each row that has not ended, as far as they have been read."""
        return {row.ticket: row.answer.ids for batch in self._batches for row in batch.rows if not row.ended}

    @property
    def batches(self) -> int:
        """Number of separate batches: 1 or 0, unless the caches of the model cannot be merged."""
        return len(self._batches)

    @torch.no_grad()
    def admit(self, requests: Sequence[DecodingRequest]) -> list[int]:
        """Process the prompts, and add them to the running batch. Returns a ticket per request.

        The first requests are one batch, padded on the left. Models with recurrent layers process prompts of equal
        length together, since padding would change their states. Rows whose caches cannot be merged (a cache layer
        that `caches` does not know) are decoded as a batch of their own.
        """
        rows = [_Row(self._tickets + index, request) for index, request in enumerate(requests)]
        self._tickets += len(rows)
        for group in self._groups(rows):
            self._join(group, *self._prefill(group))
        return [row.ticket for row in rows]

    def withdraw(self, ticket: int) -> None:
        """Stop decoding a request, whose answer is then never returned; nothing happens if it has finished."""
        self._finished.pop(ticket, None)
        for batch in self._batches:
            for row in batch.rows:
                row.ended = row.ended or row.ticket == ticket
        self._batches = [batch for batch in self._batches if not all(row.ended for row in batch.rows)]

    @torch.no_grad()
    def step(self) -> dict[int, SampledAnswer]:
        """Sample one token per row. Returns the answers that have finished, by ticket."""
        for batch in self._batches:
            batch.sample()
            if batch.is_due(self._pace):
                self._read(batch, self._pace.remove_from)
            if not all(row.ended for row in batch.rows):
                batch.feed()
        self._batches = [batch for batch in self._batches if not all(row.ended for row in batch.rows)]
        finished, self._finished = self._finished, {}
        return finished

    def _groups(self, rows: list[_Row]) -> list[list[_Row]]:
        if not rows or not caches.is_recurrent(DynamicCache(config=self._model.config)):
            return [rows] if rows else []
        by_length = sorted(rows, key=lambda row: len(row.request.prompt))
        return [list(group) for _, group in groupby(by_length, key=lambda row: len(row.request.prompt))]

    def _prefill(self, rows: list[_Row]) -> tuple[_State, GrowingCache]:
        """Process the prompts of these rows; a prompt that several rows have is processed once."""
        requests, device = [row.request for row in rows], self._model.device
        places: dict[tuple[tuple[int, ...], str | None], int] = {}
        index = [places.setdefault((tuple(row.prompt), row.adapter), len(places)) for row in requests]
        prompts, adapters = zip(*places, strict=True)
        tokens, mask = (part.to(device) for part in _pad_left(prompts, self._pad_id))
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        cache = GrowingCache(self._model, DynamicCache(config=self._model.config), mask)
        logits = caches.forward(self._model, tokens, mask, positions, cache.layers, adapters)
        if len(places) < len(rows):
            repeated = torch.tensor(index, device=device)
            tokens, positions, logits = (part[repeated] for part in (tokens, positions, logits))
            cache.select(index)
        state = _State(
            positions[:, -1:],
            torch.tensor([[len(row.prompt) + row.limit - 1] for row in requests], device=device),
            _uniforms(requests).to(device),
            torch.zeros_like(positions[:, -1:]),
            torch.tensor([[row.temperature] for row in requests], dtype=torch.float32, device=device),
            logits,
            tokens[:, -1:],
        )
        return state, cache

    def _join(self, rows: list[_Row], state: _State, cache: GrowingCache) -> None:
        for batch in self._batches if caches.can_merge(cache.layers) else []:
            self._read(batch, 0.0)
            if batch.rows:
                return batch.merge(rows, state, cache)
        self._batches = [batch for batch in self._batches if batch.rows]
        self._batches.append(_Batch(rows, state, self._placed(rows, cache)))

    def _placed(self, rows: list[_Row], cache: GrowingCache) -> GrowingCache | StaticCache:
        """The cache of a new batch: the static one, if it can hold these rows and no other batch has it."""
        if self._static is None or self._batches or not static_cache.can_hold(cache.layers):
            return cache
        self._static.clear()
        self._static.merge(cache, [row.most_columns for row in rows])
        return self._static

    def _read(self, batch: _Batch, remove_from: float) -> None:
        self._finished.update({row.ticket: row.answer for row in batch.read(self._end_ids)})
        batch.remove_ended(remove_from)


def decode(
    decoder: DecodingLoop, requests: Sequence[DecodingRequest], stop: Event | None = None
) -> list[SampledAnswer]:
    """The answers to the requests, in their order, from a decoder that decodes nothing else; [] once `stop` is set."""
    tickets, answers = decoder.admit(requests), dict[int, SampledAnswer]()
    while decoder.active:
        if stop and stop.is_set():
            return []
        answers.update(decoder.step())
    return [answers[ticket] for ticket in tickets]


def seeded_uniforms(limit: int, seed: int) -> Tensor:
    """Random numbers for one request, (limit,) float64: a function of the seed."""
    return torch.rand(limit, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _uniforms(requests: Sequence[DecodingRequest]) -> Tensor:
    """The random numbers of all rows, (B, limit) float64; -1 where a row takes the most likely tokens."""
    rows = [
        torch.full((row.limit,), -1.0, dtype=torch.float64) if row.uniforms is None else row.uniforms
        for row in requests
    ]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def _pad_left(prompts: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Token ids and mask, (B, T) each, padded on the left: every prompt ends in the last column."""
    width = max(len(prompt) for prompt in prompts)
    ids = torch.tensor([[pad_id] * (width - len(prompt)) + list(prompt) for prompt in prompts])
    lengths = torch.tensor([[len(prompt)] for prompt in prompts])
    return ids, torch.arange(width) >= width - lengths


def _widen(rows: Tensor, width: int) -> Tensor:
    return torch.nn.functional.pad(rows, (0, width - rows.shape[1]))
