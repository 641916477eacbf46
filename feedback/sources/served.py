"""Prompts that people asked the server and consented to, straight from the feedback database, for `collect`."""

import random
from collections.abc import Iterator
from typing import Self

from pydantic import Field, PrivateAttr

from feedback.schema import FeedbackEvent, Prompt, RejectedRecord
from feedback.sources import ConsentedPrompts, Intake, Source


class Served(Source):
    """Prompts for which answers are collected; the source itself has no feedback."""

    consents: tuple[str, ...] = Field(("opt-in",), min_length=1)
    """Consents of the answers that are enough."""

    _consented: ConsentedPrompts | None = PrivateAttr(None)

    def read(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        """Nothing: feedback on the server's answers is single events, which every round takes in."""
        return iter(())

    def asking(self, consented: ConsentedPrompts) -> Self:
        """The source with access to the prompts."""
        source = self.model_copy()
        source._consented = consented
        return source

    def prompts(self, count: int, seed: int) -> list[Prompt]:
        """Up to `count` of the prompts that are stored now, drawn at random by `seed`; none without access to them."""
        pool = self._consented(self.consents) if self._consented else []
        return random.Random(seed).sample(pool, min(count, len(pool)))
