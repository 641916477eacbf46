"""What customers ask: an intent, an item and a phrasing, as a prompt and back again."""

import re
from collections.abc import Sequence
from functools import cache
from itertools import product
from random import Random
from typing import NamedTuple

from feedback.schema import SAFETY, Message
from feedback.world.catalogue import INTENTS, ITEMS, PREFIXES, SENSITIVE, SUFFIXES


class CustomerRequest(NamedTuple):
    """One question of a customer. Intent and item decide the right answer, the rest is only how it is said."""

    intent: str
    item: str
    question: str
    """One of the intent's questions, with `{item}` open."""
    prefix: str = ""
    suffix: str = ""

    @property
    def text(self) -> str:
        """The question as the customer writes it."""
        return self.prefix + self.question.format(item=self.item) + self.suffix


def render(request: CustomerRequest) -> tuple[Message, ...]:
    """The request as a prompt: one turn of the user."""
    return (Message(role="user", content=request.text),)


def flags(request: CustomerRequest) -> tuple[str, ...]:
    """What sets a request apart from others: its intent, and whether a harmful answer would be believed."""
    return (f"intent:{request.intent}", *([SAFETY] if request.intent in SENSITIVE else []))


def parse(text: str) -> CustomerRequest | None:
    """The request that a prompt's text asks, or None for a text that is not of this world. The inverse of `render`."""
    match = _pattern().fullmatch(" ".join(text.split()))
    if match is None or match["question"] not in _questions():
        return None
    intent, item, question = _questions()[match["question"]]
    return CustomerRequest(intent, item, question, match["prefix"], match["suffix"])


def prompts(count: int, seed: int, intents: Sequence[str] = ()) -> list[CustomerRequest]:
    """Draw up to `count` distinct requests (there are 73,728), the same ones for the same seed.

    Given `intents`, only requests with one of them.
    """
    questions = [question for question in _questions().values() if not intents or question[0] in intents]
    total = len(questions) * len(PREFIXES) * len(SUFFIXES)
    drawn = Random(f"requests {seed}").sample(range(total), min(count, total))
    return [_numbered(number, questions) for number in drawn]


def _numbered(number: int, questions: Sequence[tuple[str, str, str]]) -> CustomerRequest:
    rest, suffix = divmod(number, len(SUFFIXES))
    question, prefix = divmod(rest, len(PREFIXES))
    return CustomerRequest(*questions[question], PREFIXES[prefix], SUFFIXES[suffix])


@cache
def _questions() -> dict[str, tuple[str, str, str]]:
    """Each question with its item filled in → intent, item, question."""
    return {
        question.format(item=item): (intent, item, question)
        for intent, item in product(INTENTS, ITEMS)
        for question in INTENTS[intent].questions
    }


@cache
def _pattern() -> re.Pattern[str]:
    # A lazy question and the empty affixes last: whatever is an affix is taken as one.
    prefixes, suffixes = ("|".join(map(re.escape, reversed(affixes))) for affixes in (PREFIXES, SUFFIXES))
    return re.compile(f"(?P<prefix>{prefixes})(?P<question>.+?)(?P<suffix>{suffixes})")
