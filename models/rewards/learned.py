"""The reward model of the round."""

from collections.abc import Iterator
from contextlib import contextmanager

from models.engines import Score
from models.rewards import RewardFunction, ScoringContext


class LearnedReward(RewardFunction):
    """The reward model that the step `reward` trains on people's preferences."""

    @contextmanager
    def scoring(self, context: ScoringContext) -> Iterator[Score]:
        """The reward model."""
        yield context.model()
