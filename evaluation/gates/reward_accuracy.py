"""The reward model that the candidate was trained against predicts what people prefer."""

from collections.abc import Iterator

from pydantic import Field

from evaluation.evals.reward_model import REWARD_ACCURACY, REWARD_OVER_CHAMPION, REWARD_OVER_LENGTH, REWARD_PAIRS
from evaluation.gates import Gate
from evaluation.statistics.intervals import Interval
from evaluation.statistics.wording import percent, spread
from evaluation.verdict import Finding, GateInputs, Result, interval, worst

ACCURACY, PAIRS = REWARD_ACCURACY.full, REWARD_PAIRS.full
OVER_LENGTH, OVER_CHAMPION = REWARD_OVER_LENGTH.full, REWARD_OVER_CHAMPION.full


class RewardAccuracyGate(Gate):
    """On held-out preferences it beats the length baseline and is not worse than the champion's reward model."""

    min_pairs: int = Field(100, ge=1)
    """Non-tied held-out pairs needed for a decision."""
    over_length: float = Field(0.03, ge=0, lt=0.5)
    """How far accuracy must exceed that of "the longer (or shorter) answer wins"; the lower bound counts."""
    margin: float = Field(0.05, ge=0, lt=0.5)
    """How far accuracy may be below that of the champion's reward model on the same pairs; the lower bound counts."""

    def check(self, inputs: GateInputs) -> Finding:
        """Reject a significant failure; hold if undecided, or if there are too few pairs."""
        accuracy = interval(inputs.candidate, ACCURACY, PAIRS)
        if accuracy is None or accuracy.n < self.min_pairs:
            pairs = accuracy.n if accuracy else 0
            return self.finding("hold", f"{pairs} held-out pairs are too few: {self.min_pairs} are needed", pairs=pairs)
        reason = (
            f"the reward model agrees with {percent(accuracy.estimate)} of held-out votes {spread(accuracy, 'pairs')}"
        )
        numbers = accuracy.named("accuracy")
        over_champion = interval(inputs.candidate, OVER_CHAMPION, PAIRS)
        if problems := list(self._problems(accuracy, interval(inputs.candidate, OVER_LENGTH, PAIRS), over_champion)):
            details = "; ".join(detail for _, detail in problems)
            return self.finding(worst(result for result, _ in problems), f"{reason}: {details}", **numbers)
        champion = "not worse than the champion's" if over_champion else "the champion has no reward model"
        return self.finding("promote", f"{reason}: above chance and length baseline, {champion}", **numbers)

    def _problems(
        self, accuracy: Interval, over_length: Interval | None, over_champion: Interval | None
    ) -> Iterator[tuple[Result, str]]:
        if accuracy.low <= 0.5:
            yield "reject", "not significantly above chance"
        if over_length is None:
            yield "hold", "not compared with the length baseline"
        elif over_length.low <= self.over_length:
            result: Result = "reject" if over_length.high < 0 else "hold"
            yield (
                result,
                f"{points(over_length)} above the length baseline, lower bound must exceed {100 * self.over_length:g}",
            )
        if over_champion and over_champion.low < -self.margin:
            result = "reject" if over_champion.high < -self.margin else "hold"
            yield (
                result,
                f"{points(over_champion)} above the champion's, lower bound must be at least -{100 * self.margin:g}",
            )


def points(gap: Interval) -> str:
    """A difference of two shares: +2.1 points (-0.4 to +4.6)."""
    return f"{100 * gap.estimate:+.1f} points ({100 * gap.low:+.1f} to {100 * gap.high:+.1f})"
