"""A rule on style: one paragraph in sentences of medium length, which addresses the reader and comes to an end.

It looks at the form of an answer only, so an answer can be wrong and still have a high utility. A short or repetitive
answer cannot: all degrees are scaled by the number of different words, and are 0 below eight words.
"""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import ClassVar

from pydantic import Field

from feedback.rules import Rule
from feedback.schema import Prompt
from feedback.sentences import is_ended, is_one_paragraph, sentences, words

FEWEST_WORDS = 8
"""An answer with fewer words has a utility of 0."""
ENOUGH_WORDS = 24
"""Different words from which the degrees are not scaled down: an answer of two or three sentences."""

_READER = re.compile(r"\b(?:you|your|yours|yourself|yourselves)\b", re.IGNORECASE)
_SENTENCE_WORDS = ((10.0, 0.0), (16.0, 1.0), (19.0, 1.0), (26.0, 0.0))
"""Mean number of words per sentence → degree of `medium_sentences`; linear between these points."""


class Readable(Rule):
    """One paragraph of medium sentences that addresses the reader and is finished. Its utility is at most 3."""

    components: ClassVar[tuple[str, ...]] = ("one_paragraph", "to_the_reader", "medium_sentences", "finished")

    one_paragraph: float = Field(1.0, ge=0)
    """Weight of having neither a line break nor a list."""
    to_the_reader: float = Field(1.0, ge=0)
    """Weight of the share of sentences with "you" or "your"; half of the sentences are enough for the full weight."""
    medium_sentences: float = Field(0.5, ge=0)
    """Weight of sentences with 16 to 19 words on average; none at 10 or fewer and at 26 or more."""
    finished: float = Field(0.5, ge=0)
    """Weight of ending with a full stop, a question mark or an exclamation mark."""

    def weights(self) -> Mapping[str, float]:
        """The knobs."""
        return {name: getattr(self, name) for name in self.components}

    def degrees(self, prompt: Prompt, answer: str) -> dict[str, float]:
        """The degrees of the four components; the prompt does not matter."""
        scale = substance(answer)
        if not scale:
            return dict.fromkeys(self.components, 0.0)
        measured = (is_one_paragraph(answer), to_the_reader(answer), medium_sentences(answer), is_ended(answer))
        return {name: scale * degree for name, degree in zip(self.components, measured, strict=True)}


def substance(answer: str) -> float:
    """The number of different words divided by 24, at most 1; 0 for an answer of fewer than eight words."""
    used = words(answer)
    return 0.0 if len(used) < FEWEST_WORDS else min(1.0, len(set(used)) / ENOUGH_WORDS)


def to_the_reader(answer: str) -> float:
    """Twice the share of sentences with "you" or "your", at most 1; 0 for a text without sentences."""
    parts = sentences(answer)
    return min(1.0, 2 * sum(bool(_READER.search(part)) for part in parts) / len(parts)) if parts else 0.0


def medium_sentences(answer: str) -> float:
    """1 for 16 to 19 words per sentence on average, falling linearly to 0 at 10 and at 26; 0 without sentences."""
    parts = sentences(answer)
    return _interpolated(len(words(answer)) / len(parts)) if parts else 0.0


def _interpolated(mean: float) -> float:
    for (left, low), (right, high) in pairwise(_SENTENCE_WORDS):
        if left <= mean <= right:
            return low + (high - low) * (mean - left) / (right - left)
    return 0.0
