"""Preference pairs as tensors, grouped by prompt so that each distinct answer is encoded only once."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from models import minibatches, packing, ranks
from models.ragged import Ragged
from models.ranks import SharedPart
from models.strength import NO_STRENGTH, StrengthSettings, target
from models.tokens import Batch, by_length, encode_answers, encode_prompts, pad

_CHUNK = 4096  # texts that are tokenised at a time

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class Comparison(NamedTuple):
    """A preference pair: two answers to the same prompt."""

    row: int
    """Row index in the data."""
    chosen: int
    """Index of the chosen answer among those of the prompt."""
    rejected: int
    """Index of the rejected answer."""
    p: float
    """Soft label: share of votes for the chosen answer, 0 to 1."""
    weight: float
    """Weight in the loss, 0 or more."""
    margin: float = 0.0
    """Log-odds by which the score of the chosen answer should exceed that of the rejected one."""


class PairBatch(NamedTuple):
    """The answers to a batch of prompts, and P comparisons that index into them."""

    texts: Batch
    row: Tensor
    """(P,) int64, row index in the data"""
    chosen: Tensor
    """(P,) int64, row of `texts`"""
    rejected: Tensor
    """(P,) int64, row of `texts`"""
    p: Tensor
    """(P,) float32, soft label: share of votes for the chosen answer"""
    weight: Tensor
    """(P,) float32"""
    margin: Tensor
    """(P,) float32, log-odds by which the chosen answer's score should exceed the rejected one's"""
    counts: tuple[int, ...] = ()
    """Number of texts of each prompt, if each prompt is computed once (`models.packing`); empty if not."""


@dataclass(frozen=True)
class EncodedComparisons:
    """All comparisons, grouped by prompt, in flat arrays. Prompts are named by their index, in order of appearance."""

    prompts: Ragged
    texts: Ragged
    """The distinct answers to all prompts."""
    answers: Ints
    """Indices into `texts`; those of a prompt are next to each other."""
    first_answer: Ints
    """(prompts + 1,) where the answers to each prompt begin."""
    indices: Ints
    """(pairs, 3) row, chosen and rejected; those of a prompt are next to each other."""
    labels: Floats
    """(pairs, 3) p, weight and margin."""
    first_pair: Ints
    """(prompts + 1,) where the pairs of each prompt begin."""
    truncated: int
    """Number of prompts that were truncated on the left."""
    packed: bool = False
    """Batches are computed with each prompt once, all its answers after it in one row (`models.packing`)."""

    def answers_to(self, prompt: int) -> list[int]:
        """Indices into `texts` of the distinct answers to a prompt."""
        ids: list[int] = self.answers[self.first_answer[prompt] : self.first_answer[prompt + 1]].tolist()
        return ids

    def pairs_of(self, prompt: int) -> list[Comparison]:
        """The comparisons of the answers to a prompt."""
        part = slice(self.first_pair[prompt], self.first_pair[prompt + 1])
        rows = zip(self.indices[part].tolist(), self.labels[part].tolist(), strict=True)
        return [Comparison(*indices, *labels) for indices, labels in rows]

    @cached_property
    def lengths(self) -> list[int]:
        """Number of tokens of each prompt with its longest answer."""
        longest = np.maximum.reduceat(self.texts.lengths[self.answers], self.first_answer[:-1])
        lengths: list[int] = (self.prompts.lengths + longest).tolist()
        return lengths

    @cached_property
    def packed_lengths(self) -> list[int]:
        """Number of tokens of each prompt with all its answers."""
        together = np.add.reduceat(self.texts.lengths[self.answers], self.first_answer[:-1])
        lengths: list[int] = (self.prompts.lengths + together).tolist()
        return lengths

    def packed_share(self, hidden: int) -> float:
        """Operations with packed rows, divided by those without, for a model of this hidden size."""
        answers = self.texts.lengths[self.answers]
        return packing.share(self.prompts.lengths, answers, self.first_answer[:-1], hidden)

    def minibatches(self, size: int, generator: torch.Generator | None = None) -> list[list[int]]:
        """Prompts in minibatches of at most `size` of similar length, in random order if given a generator."""
        return by_length(self.lengths, size, generator)

    def microbatches(self, prompts: Sequence[int], tokens: int) -> list[list[int]]:
        """The prompts in parts of at most `tokens` tokens with all answers, padding included.

        They keep their order, or are sorted by the length of their rows if they are packed.
        """
        if self.packed:
            lengths = self.packed_lengths
            return minibatches.microbatches(lengths, sorted(prompts, key=lengths.__getitem__), tokens)
        lengths, counts = self.lengths, np.diff(self.first_answer).tolist()
        parts: list[list[int]] = []
        rows = longest = 0
        for prompt in prompts:
            rows, longest = rows + counts[prompt], max(longest, lengths[prompt])
            if not parts or rows * longest > tokens:
                parts.append([])
                rows, longest = counts[prompt], lengths[prompt]
            parts[-1].append(prompt)
        return parts

    def shared_microbatches(self, prompts: Sequence[int], tokens: int) -> list[SharedPart]:
        """Those of this rank; see `ranks.shared`."""
        return ranks.shared(prompts, lambda own: self.microbatches(own, tokens), ranks.current())

    def all_parts(self, tokens: int, pad_id: int) -> Iterator[PairBatch]:
        """All prompts with all answers and comparisons, in microbatches of similar length."""
        order = [prompt for part in self.minibatches(max(len(self.prompts), 1)) for prompt in part]
        for part in self.microbatches(order, tokens):
            yield self.collate(part, pad_id)

    def collate(self, prompts: Sequence[int], pad_id: int) -> PairBatch:
        """The prompts with all their answers and comparisons as one batch."""
        contexts: list[list[int]] = []
        answers: list[list[int]] = []
        pairs: list[Comparison] = []
        for prompt in prompts:
            first, own = len(answers), self.answers_to(prompt)
            pairs += [
                pair._replace(chosen=first + pair.chosen, rejected=first + pair.rejected)
                for pair in self.pairs_of(prompt)
            ]
            answers += [self.texts[text] for text in own]
            contexts += [self.prompts[prompt]] * len(own)
        row, chosen, rejected, p, weight, margin = (torch.tensor(column) for column in zip(*pairs, strict=True))
        counts = tuple(len(self.answers_to(prompt)) for prompt in prompts) if self.packed else ()
        labels = (p.float(), weight.float(), margin.float())
        return PairBatch(pad(contexts, answers, pad_id), row, chosen, rejected, *labels, counts)

    def total_weight(self, prompts: Iterable[int]) -> float:
        """Sum of the weights of the comparisons of these prompts."""
        return sum(pair.weight for prompt in prompts for pair in self.pairs_of(prompt))


def encode(
    tokenizer: PreTrainedTokenizerBase,
    data: Sequence[Mapping[str, Any]],
    prompt_limit: int,
    answer_limit: int,
    strength: StrengthSettings = NO_STRENGTH,
) -> EncodedComparisons:
    """Encode rows with prompt (turns), chosen, rejected, p_chosen, weight and strength, grouped by prompt.

    Raises:
        BadFeedback, BadParams: see `encode_prompts`.
    """
    turns: dict[str, Any] = {}
    texts: dict[str, int] = {}
    answers: defaultdict[str, dict[int, int]] = defaultdict(dict)  # of each prompt: text → place among its answers
    pairs: defaultdict[str, list[Comparison]] = defaultdict(list)
    for ix, row in enumerate(data):
        key = repr([(turn["role"], turn["content"]) for turn in row["prompt"]])
        turns.setdefault(key, row["prompt"])
        sides = [texts.setdefault(row[side], len(texts)) for side in ("chosen", "rejected")]
        own = answers[key]
        chosen, rejected = (own.setdefault(text, len(own)) for text in sides)
        pairs[key].append(Comparison(ix, chosen, rejected, *target(row, strength)))
    truncated: list[bool] = []
    return EncodedComparisons(
        prompts=Ragged(_prompt_ids(tokenizer, list(turns.values()), prompt_limit, truncated)),
        texts=Ragged(ids for part in _chunks(list(texts)) for ids in encode_answers(tokenizer, part, answer_limit)),
        answers=np.array([text for key in turns for text in answers[key]], dtype=np.int64),
        first_answer=np.cumsum([0, *(len(answers[key]) for key in turns)]),
        indices=np.array([pair[:3] for key in turns for pair in pairs[key]], dtype=np.int64).reshape(-1, 3),
        labels=np.array([pair[3:] for key in turns for pair in pairs[key]], dtype=np.float32).reshape(-1, 3),
        first_pair=np.cumsum([0, *(len(pairs[key]) for key in turns)]),
        truncated=sum(truncated),
    )


def _prompt_ids(
    tokenizer: PreTrainedTokenizerBase, turns: Sequence[Any], limit: int, truncated: list[bool]
) -> Iterator[list[int]]:
    for part in _chunks(turns):
        for prompt in encode_prompts(tokenizer, part, limit):
            truncated.append(prompt.truncated > 0)
            yield prompt.ids


def _chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))
