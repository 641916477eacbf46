"""People who see both answers prefer those of the version that the champion replaced."""

from typing import ClassVar

from pydantic import Field

from evaluation.guards import Guard, GuardFinding, LiveFeedback, Severity, first_per_person
from evaluation.statistics.sequences import fewest, sequence
from evaluation.statistics.wording import percent, spread


class PreferenceGuard(Guard):
    """In live comparisons the champion is not significantly worse than the version it replaced."""

    severity: ClassVar[Severity] = "soft"

    criterion: str = "overall"
    """The criterion of the judgements that count."""
    level: float = Field(0.99, ge=0.5, lt=1)
    """Confidence level, over all looks together (confidence sequence)."""
    per_person: int = Field(3, ge=1)
    """Largest number of comparisons counted per person: the first ones."""

    @property
    def minimum(self) -> int:
        """Comparisons that show, if the champion loses all, that it wins fewer than half."""
        return fewest(0.5, self.level)

    def look(self, live: LiveFeedback) -> GuardFinding:
        """Compare the upper bound of the champion's win rate with one half."""
        judged = [comparison for comparison in live.duels if comparison.criterion == self.criterion]
        shares = [comparison.share for comparison in first_per_person(judged, self.per_person)]
        rate = sequence(sum(shares), len(shares), self.level)
        wins = f"the champion wins {percent(rate.estimate)} of live comparisons with the previous version"
        reason = f"{wins} {spread(rate, 'comparisons')}" if rate.n else "no live comparisons"
        return self.finding(rate.high < 0.5, reason, **rate.named("win_rate"))
