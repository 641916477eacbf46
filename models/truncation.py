"""What is lost where texts are cut to the token limits: prompts, answers, and pairs that become equal."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from models.tokens import EncodedPrompt, encode_answers, encode_prompts


class Truncation(NamedTuple):
    """What the token limits cut from preference pairs."""

    prompts: int
    """Distinct prompts."""
    cut_prompts: int
    """Distinct prompts that are longer than the limit."""
    answers: int
    """Distinct answers."""
    cut_answers: int
    """Distinct answers that are longer than the limit."""
    equal: frozenset[int]
    """Rows whose two answers have the same tokens after the cut: they say nothing about which one is better."""

    @property
    def prompt_share(self) -> float:
        """Share of the distinct prompts that are cut."""
        return self.cut_prompts / max(self.prompts, 1)

    @property
    def answer_share(self) -> float:
        """Share of the distinct answers that are cut."""
        return self.cut_answers / max(self.answers, 1)


def measure(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[Mapping[str, Any]], prompt_limit: int, answer_limit: int
) -> Truncation:
    """What the limits cut from rows with prompt (turns), chosen and rejected.

    Raises:
        BadFeedback, BadParams: see `encode_prompts`.
    """
    turns = {repr([(turn["role"], turn["content"]) for turn in row["prompt"]]): row["prompt"] for row in rows}
    texts = list(dict.fromkeys(text for row in rows for text in (row["chosen"], row["rejected"])))
    ids = dict(zip(texts, encode_answers(tokenizer, texts, answer_limit), strict=True))
    return Truncation(
        prompts=len(turns),
        cut_prompts=sum(prompt.truncated > 0 for prompt in encode_prompts(tokenizer, turns.values(), prompt_limit)),
        answers=len(texts),
        cut_answers=cut(tokenizer, texts, answer_limit),
        equal=frozenset(ix for ix, row in enumerate(rows) if ids[row["chosen"]] == ids[row["rejected"]]),
    )


def cut_share(prompts: Sequence[EncodedPrompt]) -> float:
    """Share of the encoded prompts that lost their beginning; 0 if there are none."""
    return sum(prompt.truncated > 0 for prompt in prompts) / max(len(prompts), 1)


def cut(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], limit: int) -> int:
    """How many of the answers have more than `limit` tokens, without EOS."""
    return sum(len(ids) > limit for ids in encode_answers(tokenizer, texts, limit + 1, end=False))
