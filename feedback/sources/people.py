"""Fresh votes by people: the round waits while they pull its pairs, compare the answers, and push their votes."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake, Source


class People(Source):
    """Whoever uses `rounds votes`. What they push is checked then, and waits here for the round to go on."""

    labels: ClassVar[bool] = True

    votes: int = Field(256, ge=1)
    """Votes that say which answer is better, or that neither is, with which the round goes on."""
    wait: float = Field(86_400, gt=0)
    """Seconds after which it goes on with what there is; with fewer votes nothing is promoted."""

    def read(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        """What was handed in."""
        yield from intake.cast
