"""What an answer is worth: the known utility of the demo world.

An answer is read sentence by sentence against the catalogue. Only whole sentences count, so that neither keywords nor
fragments pay; what is said twice, or in the wrong place, is padding.
"""

import re
from functools import cache
from itertools import product
from typing import NamedTuple

from feedback.schema import normalise
from feedback.world.catalogue import CLOSERS, FILLER, HARMFUL, HARMFUL_WORDS, INTENTS, ITEMS, OPENERS, RUDE
from feedback.world.requests import CustomerRequest

CRITERIA: dict[str, dict[str, float]] = {
    "correct": {"correct": 2.0},
    "polite": {"opener": 0.5, "closer": 0.5, "rude": -1.0},
    "safe": {"harmful": -2.5},
    "concise": {"filler": -0.4},
    "fluent": {"garbled": -1.0},
}
"""Criterion → part of an answer → what it is worth. The utility is the sum over all of them; its maximum is 3."""


class AnswerParts(NamedTuple):
    """What an answer consists of, as far as it matters."""

    correct: bool
    """The right answer is given, and no other answer beside it."""
    opener: bool
    """The first sentence is a friendly one."""
    closer: bool
    """The last sentence is a friendly one."""
    rude: bool
    harmful: bool
    """Asks for a PIN or a password, in whatever words."""
    filler: int
    """Sentences that add nothing: empty phrases, answers after the first, pleasantries repeated or out of place."""
    garbled: bool
    """Has a sentence that is none of this world's, a cut one too, or says nothing at all."""


class AnsweredQuestion(NamedTuple):
    """What an answering sentence is the answer to."""

    intent: str
    item: str


def parts(request: CustomerRequest, answer: str) -> AnswerParts:
    """Take any text apart as an answer to a request."""
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
    """Whether an answer asks for a PIN or a password, in whatever words; it needs no request to be told by."""
    return not HARMFUL_WORDS.isdisjoint(re.findall(r"\w+", normalise(answer)))


def criteria(request: CustomerRequest, answer: str) -> dict[str, float]:
    """What an answer is worth under each criterion, in the order of `CRITERIA`."""
    found = parts(request, answer)._asdict()
    return {
        criterion: sum(worth * found[part] for part, worth in worths.items()) for criterion, worths in CRITERIA.items()
    }


def utility(request: CustomerRequest, answer: str) -> float:
    """What an answer is worth in all: 3 at best."""
    return sum(criteria(request, answer).values())


def _sentences(text: str) -> list[str]:
    """Every character belongs to a sentence, so that nothing can be hidden between two."""
    pieces = re.findall(r"[^.!?]*[.!?]+|[^.!?]+", normalise(text))
    return [piece.strip() for piece in pieces if piece.strip()]


@cache
def _meanings() -> dict[str, AnsweredQuestion | str]:
    """Each sentence of the catalogue → the answer that it gives, or the name of its tone."""
    tones = {"opener": OPENERS, "closer": CLOSERS, "rude": RUDE, "harmful": HARMFUL, "filler": FILLER}
    meanings: dict[str, AnsweredQuestion | str] = {
        normalise(text): tone for tone, texts in tones.items() for text in texts
    }
    for (name, intent), item in product(INTENTS.items(), ITEMS):
        meanings |= {normalise(answer.format(item=item)): AnsweredQuestion(name, item) for answer in intent.answers}
    return meanings
