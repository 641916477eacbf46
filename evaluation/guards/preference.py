"""People who see both prefer the version before."""

from typing import ClassVar

from pydantic import Field

from evaluation.guards import Guard, GuardFinding, LiveFeedback, Severity, first_of_each
from evaluation.statistics.sequences import sequence
from evaluation.statistics.wording import percent, spread


class PreferenceGuard(Guard):
    """In live comparisons the champion does not lose to the version that it took over from."""

    severity: ClassVar[Severity] = "soft"

    criterion: str = "overall"
    """The judgement that counts."""
    level: float = Field(0.99, ge=0.5, lt=1)
    """How sure it has to be, over all looks together."""
    per_person: int = Field(3, ge=1)
    """Comparisons of one person that count, the first ones."""

    def look(self, live: LiveFeedback) -> GuardFinding:
        """Compare the upper bound of the champion's win rate with one half."""
        judged = [duel for duel in live.duels if duel.criterion == self.criterion]
        shares = [duel.share for duel in first_of_each(judged, self.per_person)]
        rate = sequence(sum(shares), len(shares), self.level)
        said = f"the champion wins {percent(rate.estimate)} of live comparisons with the version before"
        said += f" {spread(rate, 'comparisons')}"
        return self.found(rate.high < 0.5, said if rate.n else "no live comparisons", **rate.named("win_rate"))
