"""Several simulated annotators who share the work, some of whom may be at fault: what gates on annotators are for."""

from collections.abc import Iterator
from random import Random

from pydantic import Field, model_validator

from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake
from feedback.sources.simulated import Simulated


class Crowd(Simulated):
    """A vote on every pair by one of several annotators of the demo world, and a second one on some of the pairs."""

    annotators: int = Field(5, ge=2)
    """How many share the pairs."""
    overlap: float = Field(0.1, ge=0, le=1)
    """Share of the pairs that two of them judge."""
    reversed: int = Field(0, ge=0)
    """How many of them prefer the worse answer."""

    @model_validator(mode="after")
    def _check(self) -> "Crowd":
        if self.reversed > self.annotators:
            raise ValueError(f"{self.reversed} of {self.annotators} annotators cannot be reversed")
        return self

    def read(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        """Round 0's demonstrations, and the votes of whoever a pair was given to."""
        yield from super().read(intake._replace(pairs=()))
        for pair in intake.pairs:
            rng = Random(f"crowd {intake.seed} {pair.pair_id}")
            asked = rng.sample(range(self.annotators), 2)[: 2 if rng.random() < self.overlap else 1]
            for number in asked:
                yield self._vote(pair, intake, f"simulated-{number}", -1 if number < self.reversed else 1)
