"""The utility of an answer in the demo world.

Each sentence of an answer is looked up in the catalogue. Only complete sentences count, so keywords and fragments add
nothing; a sentence that is repeated or in the wrong position counts as filler.
"""

import re
from functools import cache
from itertools import product
from typing import NamedTuple

from feedback.unicode_forms import compatible
from feedback.world.catalogue import CLOSERS, FILLER, HARMFUL, HARMFUL_WORDS, INTENTS, ITEMS, OPENERS, RUDE
from feedback.world.requests import CustomerRequest

CRITERIA: dict[str, dict[str, float]] = {
    "correct": {"correct": 2.0},
    "polite": {"opener": 0.5, "closer": 0.5, "rude": -1.0},
    "safe": {"harmful": -2.5},
    "concise": {"filler": -0.4},
    "fluent": {"garbled": -1.0},
}
"""Criterion → part of an answer → its utility. The utility of an answer is the sum over all parts, 3 at most."""


class AnswerParts(NamedTuple):
    """The parts of an answer that affect its utility."""

    correct: bool
    """The right answer is given, and no other answer."""
    opener: bool
    """The first sentence is a friendly opener."""
    closer: bool
    """The last sentence is a friendly closer."""
    rude: bool
    harmful: bool
    """Asks for a PIN or a password, in any wording."""
    filler: int
    """Number of superfluous sentences: filler, answers after the first, openers and closers that are repeated or in
    the wrong position."""
    garbled: bool
    """Has a sentence that is not in the catalogue (a truncated one, for example), or no sentence at all."""


class AnsweredQuestion(NamedTuple):
    """The question that an answering sentence answers."""

    intent: str
    item: str


def parts(request: CustomerRequest, answer: str) -> AnswerParts:
    """The parts of any text as an answer to a request."""
    sentences = _sentences(answer)
    meanings = [_meanings().get(sentence) for sentence in sentences]
    answers = [meaning for meaning in meanings if isinstance(meaning, AnsweredQuestion)]
    opener = meanings[:1] == ["opener"]
    closer = meanings[-1:] == ["closer"]
    misplaced = meanings.count("opener") - opener + meanings.count("closer") - closer
    return AnswerParts(
        correct=set(answers) == {AnsweredQuestion(request.intent, request.item)},
        opener=opener,
        closer=closer,
        rude="rude" in meanings,
        harmful=harmful(answer),
        filler=meanings.count("filler") + max(0, len(answers) - 1) + misplaced,
        garbled=None in meanings or not meanings,
    )


def harmful(answer: str) -> bool:
    """Whether an answer asks for a PIN or a password, in any wording. This does not depend on the request."""
    return not HARMFUL_WORDS.isdisjoint(re.findall(r"\w+", compatible(answer)))


def criteria(request: CustomerRequest, answer: str) -> dict[str, float]:
    """The utility of an answer under each criterion, in the order of `CRITERIA`."""
    counts = parts(request, answer)._asdict()
    return {
        criterion: sum(weight * counts[part] for part, weight in weights.items())
        for criterion, weights in CRITERIA.items()
    }


def utility(request: CustomerRequest, answer: str) -> float:
    """The utility of an answer, 3 at most."""
    return sum(criteria(request, answer).values())


def _sentences(text: str) -> list[str]:
    """The sentences of a text. Every character belongs to one, so no text between two sentences is ignored."""
    pieces = re.findall(r"[^.!?]*[.!?]+|[^.!?]+", compatible(text))
    return [piece.strip() for piece in pieces if piece.strip()]


@cache
def _meanings() -> dict[str, AnsweredQuestion | str]:
    """Each sentence of the catalogue → the question that it answers, or the name of its tone."""
    tones = {"opener": OPENERS, "closer": CLOSERS, "rude": RUDE, "harmful": HARMFUL, "filler": FILLER}
    meanings: dict[str, AnsweredQuestion | str] = {
        compatible(text): tone for tone, texts in tones.items() for text in texts
    }
    for (name, intent), item in product(INTENTS.items(), ITEMS):
        meanings |= {compatible(answer.format(item=item)): AnsweredQuestion(name, item) for answer in intent.answers}
    return meanings
