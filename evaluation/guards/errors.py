"""The champion's answers are errors too often."""

from typing import ClassVar

from pydantic import Field

from evaluation.guards import Guard, GuardFinding, LiveFeedback, Severity
from evaluation.statistics.sequences import sequence
from evaluation.statistics.wording import percent


class ErrorsGuard(Guard):
    """The share of answers that are flagged as errors lies above its limit, and not by chance."""

    severity: ClassVar[Severity] = "hard"

    flags: tuple[str, ...] = ("error", "empty", "timeout")
    """What counts: these words as flag, tag or label of a record; a program may hand them in."""
    limit: float = Field(0.05, gt=0, lt=1)
    """Share of the judged answers above which it is a breach."""
    level: float = Field(0.99, ge=0.5, lt=1)
    """How sure it has to be, over all looks together."""
    fewest: int = Field(20, ge=1)
    """Judged answers below which it is no breach: two errors among two are a share, too."""

    def look(self, live: LiveFeedback) -> GuardFinding:
        """Compare the lower bound of the share with the limit; whoever hands the errors in, each answer counts."""
        wrong = sum(bool(opinion.flags & set(self.flags)) for opinion in live.opinions)
        rate = sequence(wrong, len(live.opinions), self.level)
        share = f"{percent(rate.low)} at least, {percent(self.limit)} are allowed"
        said = f"{wrong} of {rate.n} judged answers are errors ({share})"
        return self.found(rate.n >= self.fewest and rate.low > self.limit, said, **rate.named("rate"))
