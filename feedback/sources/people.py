"""Fresh votes by people: the round waits until they have pulled its pairs and pushed enough votes."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake, Source


class People(Source):
    """Votes by people who use `rounds votes`. They are checked when pushed, and read when the round continues."""

    labels: ClassVar[bool] = True
    by_people: ClassVar[bool] = True

    votes: int = Field(256, ge=1)
    """Number of votes, ties included and abstentions not, after which the round continues."""
    wait: float = Field(86_400, gt=0)
    """Seconds after which the round continues with fewer votes; nothing is promoted then."""

    def read(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        """All votes that were pushed."""
        yield from intake.votes
