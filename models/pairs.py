"""Preference pairs as tensors, grouped by prompt so that each distinct answer is encoded only once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from models.strength import NO_STRENGTH, StrengthSettings, target
from models.tokens import Batch, by_length, encode_answers, encode_prompts, pad


class Comparison(NamedTuple):
    """A preference pair: two answers to the same prompt."""

    row: int
    """Row index in the data."""
    chosen: int
    """Index of the chosen answer: among those of the prompt, or of the batch after `collate`."""
    rejected: int
    """Index of the rejected answer."""
    p: float
    """Soft label: share of votes for the chosen answer, 0 to 1."""
    weight: float
    """Weight in the loss, 0 or more."""
    margin: float = 0.0
    """Log-odds by which the score of the chosen answer should exceed that of the rejected one."""


@dataclass
class PromptComparisons:
    """A prompt, its distinct answers (text to token ids) and the comparisons among them."""

    prompt: list[int]
    answers: dict[str, list[int]] = field(default_factory=dict)
    pairs: list[Comparison] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Number of tokens of the prompt with its longest answer."""
        return len(self.prompt) + max(map(len, self.answers.values()))


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


class EncodedComparisons(NamedTuple):
    """All comparisons, grouped by prompt."""

    comparisons: list[PromptComparisons]
    truncated: int
    """Number of prompts that were truncated on the left."""


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
    rows = list(data)
    keys = [repr([(turn["role"], turn["content"]) for turn in row["prompt"]]) for row in rows]
    turns = {key: row["prompt"] for key, row in zip(keys, rows, strict=True)}
    prompts = dict(zip(turns, encode_prompts(tokenizer, turns.values(), prompt_limit), strict=True))
    texts = list(dict.fromkeys(text for row in rows for text in (row["chosen"], row["rejected"])))
    answers = dict(zip(texts, encode_answers(tokenizer, texts, answer_limit), strict=True))
    by_prompt = {key: PromptComparisons(prompt.ids) for key, prompt in prompts.items()}
    for i, (key, row) in enumerate(zip(keys, rows, strict=True)):
        group = by_prompt[key]
        group.answers |= {text: answers[text] for text in (row["chosen"], row["rejected"])}
        distinct = list(group.answers)
        chosen, rejected = distinct.index(row["chosen"]), distinct.index(row["rejected"])
        group.pairs.append(Comparison(i, chosen, rejected, *target(row, strength)))
    return EncodedComparisons(list(by_prompt.values()), sum(prompt.truncated > 0 for prompt in prompts.values()))


def batches(
    comparisons: Sequence[PromptComparisons], size: int, pad_id: int, generator: torch.Generator | None = None
) -> Iterator[PairBatch]:
    """Batches of at most `size` prompts of similar length, in random order if given a generator."""
    for index in by_length([group.length for group in comparisons], size, generator):
        yield collate([comparisons[i] for i in index], pad_id)


def collate(groups: Sequence[PromptComparisons], pad_id: int) -> PairBatch:
    """Combine prompts with all their answers and comparisons into one batch."""
    prompts = [group.prompt for group in groups for _ in group.answers]
    answers = [ids for group in groups for ids in group.answers.values()]
    pairs: list[Comparison] = []
    first = 0
    for group in groups:
        pairs += [pair._replace(chosen=first + pair.chosen, rejected=first + pair.rejected) for pair in group.pairs]
        first += len(group.answers)
    row, chosen, rejected, p, weight, margin = (torch.tensor(column) for column in zip(*pairs, strict=True))
    texts = pad(prompts, answers, pad_id)
    return PairBatch(texts, row, chosen, rejected, p.float(), weight.float(), margin.float())
