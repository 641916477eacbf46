"""Preference pairs as tensors: each prompt once, each of its answers encoded once, all its pairs together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from models.tokens import Batch, by_length, encode_answers, encode_prompts, pad


class Comparison(NamedTuple):
    """A comparison of two of a prompt's answers."""

    row: int
    """Its place in the data."""
    chosen: int
    """Index of an answer."""
    rejected: int
    p: float
    """Share of votes for the chosen one."""
    weight: float


@dataclass
class PromptComparisons:
    """A prompt, its distinct answers (token ids) and the comparisons among them."""

    prompt: list[int]
    answers: dict[str, list[int]] = field(default_factory=dict)
    pairs: list[Comparison] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Tokens of the prompt with its longest answer."""
        return len(self.prompt) + max(map(len, self.answers.values()))


class PairBatch(NamedTuple):
    """Answers to a few prompts, and P comparisons that point into them."""

    texts: Batch
    row: Tensor
    """(P,) int64, place in the data"""
    chosen: Tensor
    """(P,) int64, row of `texts`"""
    rejected: Tensor
    p: Tensor
    """(P,) float32"""
    weight: Tensor


class EncodedComparisons(NamedTuple):
    """All comparisons, by prompt, and how many prompts lost tokens on their left."""

    comparisons: list[PromptComparisons]
    truncated: int


def encode(
    tokenizer: PreTrainedTokenizerBase, data: Sequence[Mapping[str, Any]], prompt_limit: int, answer_limit: int
) -> EncodedComparisons:
    """Group rows with the columns prompt, chosen, rejected, p_chosen and weight by their prompt."""
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
        places = list(group.answers)
        chosen, rejected = places.index(row["chosen"]), places.index(row["rejected"])
        group.pairs.append(Comparison(i, chosen, rejected, row["p_chosen"], row["weight"]))
    return EncodedComparisons(list(by_prompt.values()), sum(prompt.truncated > 0 for prompt in prompts.values()))


def batches(
    comparisons: Sequence[PromptComparisons], size: int, pad_id: int, generator: torch.Generator | None = None
) -> Iterator[PairBatch]:
    """Batches of `size` prompts of similar length, shuffled where a generator is given."""
    for index in by_length([group.length for group in comparisons], size, generator):
        yield collate([comparisons[i] for i in index], pad_id)


def collate(groups: Sequence[PromptComparisons], pad_id: int) -> PairBatch:
    """One batch of a few prompts."""
    prompts = [group.prompt for group in groups for _ in group.answers]
    answers = [ids for group in groups for ids in group.answers.values()]
    pairs: list[Comparison] = []
    first = 0
    for group in groups:
        pairs += [pair._replace(chosen=first + pair.chosen, rejected=first + pair.rejected) for pair in group.pairs]
        first += len(group.answers)
    row, chosen, rejected, p, weight = (torch.tensor(column) for column in zip(*pairs, strict=True))
    return PairBatch(pad(prompts, answers, pad_id), row, chosen, rejected, p.float(), weight.float())
