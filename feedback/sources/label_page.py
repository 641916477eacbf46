"""The label page: the champion's answers are collected for people to judge them there."""

from collections.abc import Iterator
from typing import ClassVar

from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake, Source


class LabelPage(Source):
    """Answers are collected for the labelling queue; what people say on the page arrives by itself."""

    labels: ClassVar[bool] = True
    by_people: ClassVar[bool] = True

    def read(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        """Nothing: judgements are single events, which every round takes in."""
        return iter(())
