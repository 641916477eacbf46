"""People like the champion's answers less than those of the version it replaced."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from evaluation.guards import Guard, GuardFinding, LiveFeedback, Severity, first_per_person
from evaluation.statistics.intervals import Interval
from evaluation.statistics.sequences import fewest, sequence
from evaluation.statistics.wording import percent, spread
from feedback.live import Opinion


class LikingGuard(Guard):
    """Thumbs and ratings are not significantly worse than those of the version that the champion replaced."""

    severity: ClassVar[Severity] = "soft"

    criterion: str = "overall"
    """The criterion of the judgements that count."""
    level: float = Field(0.99, ge=0.5, lt=1)
    """Confidence level, over all looks together: at .99, at most one champion in a hundred is in breach by chance."""
    margin: float = Field(0.0, ge=0, lt=1)
    """How far the share of liked answers may be below that of the version it replaced."""
    floor: float | None = Field(None, ge=0, le=1)
    """Smallest allowed share of liked answers, whatever the previous version had; null for no limit."""
    per_person: int = Field(3, ge=1)
    """Largest number of opinions counted per person: the first ones."""

    @property
    def minimum(self) -> int:
        """Opinions that show, if all are bad, that fewer than half of the answers are liked, or than the floor."""
        return fewest(max(self.floor or 0.0, 0.5), self._each)

    def look(self, live: LiveFeedback) -> GuardFinding:
        """Compare the champion's upper bound with the lower bound of the previous version, and with the floor."""
        now, before = self._rate(live.opinions), self._rate(live.before)
        worse = now.high < before.low - self.margin
        too_low = self.floor is not None and now.high < self.floor
        reason = f"share of liked answers: champion {_text(now)}, previous version {_text(before)}"
        reason += f", floor {percent(self.floor)}" if self.floor is not None else ""
        return self.finding(worse or too_low, reason, **now.named("liking"), **before.named("before"))

    def _rate(self, opinions: Sequence[Opinion]) -> Interval:
        judged = [opinion for opinion in opinions if self.criterion in opinion.scores]
        scores = [opinion.scores[self.criterion] for opinion in first_per_person(judged, self.per_person)]
        return sequence(sum(scores), len(scores), self._each)

    @property
    def _each(self) -> float:
        """The level of one sequence: two are compared, so each gets half of the error probability."""
        return 1 - (1 - self.level) / 2


def _text(rate: Interval) -> str:
    return f"{percent(rate.estimate)} {spread(rate, 'opinions')}" if rate.n else "unknown"
