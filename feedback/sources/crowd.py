"""Several simulated annotators who share the pairs. Some may be unreliable, to test the gate on annotators."""

from collections.abc import Iterator
from random import Random

from pydantic import Field, model_validator

from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake
from feedback.sources.simulated import Simulated


class Crowd(Simulated):
    """One vote on every pair by one of several simulated annotators, and a second vote on some of the pairs."""

    annotators: int = Field(5, ge=2)
    """Number of annotators who share the pairs."""
    overlap: float = Field(0.1, ge=0, le=1)
    """Share of the pairs that two annotators judge."""
    reversed: int = Field(0, ge=0)
    """Number of annotators who prefer the worse answer."""

    @model_validator(mode="after")
    def _check(self) -> "Crowd":
        if self.reversed > self.annotators:
            raise ValueError(f"{self.reversed} of {self.annotators} annotators cannot be reversed")
        return self

    def read(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        """Demonstrations in round 0, and one or two annotators' votes on each pair."""
        yield from super().read(intake._replace(pairs=()))
        for pair in intake.pairs:
            rng = Random(f"crowd {intake.seed} {pair.pair_id}")
            assigned = rng.sample(range(self.annotators), 2)[: 2 if rng.random() < self.overlap else 1]
            for number in assigned:
                yield self._vote(pair, intake, f"simulated-{number}", -1 if number < self.reversed else 1)
