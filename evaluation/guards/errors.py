"""Too many of the champion's answers are errors."""

from typing import ClassVar

from pydantic import Field

from evaluation.guards import Guard, GuardFinding, LiveFeedback, Severity
from evaluation.statistics.sequences import sequence
from evaluation.statistics.wording import percent


class ErrorsGuard(Guard):
    """The share of answers flagged as errors is significantly above its limit."""

    severity: ClassVar[Severity] = "hard"

    flags: tuple[str, ...] = ("error", "empty", "timeout")
    """Words that mark an error as flag, tag or label of a record; programs may submit them."""
    limit: float = Field(0.05, gt=0, lt=1)
    """Largest allowed share of errors among judged answers."""
    level: float = Field(0.99, ge=0.5, lt=1)
    """Confidence level, over all looks together (confidence sequence)."""
    fewest: int = Field(20, ge=1)
    """Judged answers needed for a breach: two errors in two answers are too little evidence."""

    @property
    def minimum(self) -> int:
        """Those needed for a breach."""
        return self.fewest

    def look(self, live: LiveFeedback) -> GuardFinding:
        """Compare the lower bound of the share with the limit. Every answer counts, whoever reported it."""
        wrong = sum(bool(opinion.flags & set(self.flags)) for opinion in live.opinions)
        rate = sequence(wrong, len(live.opinions), self.level)
        bounds = f"lower bound {percent(rate.low)}, limit {percent(self.limit)}"
        reason = f"{wrong} of {rate.n} judged answers are errors ({bounds})"
        return self.finding(rate.n >= self.fewest and rate.low > self.limit, reason, **rate.named("rate"))
