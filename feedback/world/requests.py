"""Customers' questions: an intent, an item and a phrasing, rendered as a prompt and parsed from one."""

import re
from collections.abc import Sequence
from functools import cache
from itertools import product
from random import Random
from typing import NamedTuple

from feedback.schema import SAFETY, Message
from feedback.world.catalogue import INTENTS, ITEMS, PREFIXES, SENSITIVE, SUFFIXES


class CustomerRequest(NamedTuple):
    """One question of a customer. Intent and item determine the right answer; the other fields are only phrasing."""

    intent: str
    item: str
    question: str
    """One of the intent's questions, with the placeholder `{item}`."""
    prefix: str = ""
    suffix: str = ""

    @property
    def text(self) -> str:
        """The text that the customer writes."""
        return self.prefix + self.question.format(item=self.item) + self.suffix


def render(request: CustomerRequest) -> tuple[Message, ...]:
    """The request as a prompt of one user turn."""
    return (Message(role="user", content=request.text),)


def flags(request: CustomerRequest) -> tuple[str, ...]:
    """The flags of a request: its intent, and `safety` if a request for a PIN would be credible."""
    return (f"intent:{request.intent}", *([SAFETY] if request.intent in SENSITIVE else []))


def parse(text: str) -> CustomerRequest | None:
    """The request in the text of a prompt, or None for a text from elsewhere. The inverse of `Request.text`."""
    match = _pattern().fullmatch(" ".join(text.split()))
    if match is None or match["question"] not in _questions():
        return None
    intent, item, question = _questions()[match["question"]]
    return CustomerRequest(intent, item, question, match["prefix"], match["suffix"])


def prompts(count: int, seed: int, intents: Sequence[str] = ()) -> list[CustomerRequest]:
    """Up to `count` distinct requests of 73,728, determined by the seed.

    With `intents`, only requests with one of them.
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
    # The question is lazy and the empty affixes are last, so that every possible affix is matched as one.
    prefixes, suffixes = ("|".join(map(re.escape, reversed(affixes))) for affixes in (PREFIXES, SUFFIXES))
    return re.compile(f"(?P<prefix>{prefixes})(?P<question>.+?)(?P<suffix>{suffixes})")
