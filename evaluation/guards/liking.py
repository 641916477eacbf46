"""People like the champion's answers less than those of the version before."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from evaluation.guards import Guard, GuardFinding, LiveFeedback, Severity, first_of_each
from evaluation.statistics.intervals import Interval
from evaluation.statistics.sequences import sequence
from evaluation.statistics.wording import percent, spread
from feedback.live import Opinion


class LikingGuard(Guard):
    """Thumbs and ratings of the champion's answers are no worse than those of the version that it took over from."""

    severity: ClassVar[Severity] = "soft"

    criterion: str = "overall"
    """The judgement that counts."""
    level: float = Field(0.99, ge=0.5, lt=1)
    """How sure it has to be, over all looks together: one breach in a hundred champions at .99 would be by chance."""
    margin: float = Field(0.0, ge=0, lt=1)
    """How much worse it may be."""
    floor: float | None = Field(None, ge=0, le=1)
    """Share of liked answers below which the champion is left however the version before did; null for none."""
    per_person: int = Field(3, ge=1)
    """Opinions of one person that count, the first ones."""

    def look(self, live: LiveFeedback) -> GuardFinding:
        """Compare the champion's upper bound with the lower bound of the version before, and with the floor."""
        now, before = self._rate(live.opinions), self._rate(live.before)
        worse = now.high < before.low - self.margin
        too_low = self.floor is not None and now.high < self.floor
        said = f"the champion is liked by {_shown(now)}, the version before by {_shown(before)}"
        said += f", the floor is {percent(self.floor)}" if self.floor is not None else ""
        return self.found(worse or too_low, said, **now.named("liking"), **before.named("before"))

    def _rate(self, opinions: Sequence[Opinion]) -> Interval:
        """Of two sequences each may be wrong half as often."""
        judged = [opinion for opinion in opinions if self.criterion in opinion.scores]
        scores = [opinion.scores[self.criterion] for opinion in first_of_each(judged, self.per_person)]
        return sequence(sum(scores), len(scores), 1 - (1 - self.level) / 2)


def _shown(rate: Interval) -> str:
    return f"{percent(rate.estimate)} {spread(rate, 'opinions')}" if rate.n else "unknown"
