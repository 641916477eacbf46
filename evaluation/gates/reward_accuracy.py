"""The reward model that the candidate was trained against knows what people prefer."""

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
    """On held-out preferences it is better than length alone, and not worse than the champion's reward model."""

    min_pairs: int = Field(100, ge=1)
    """Decided held-out pairs below which nothing is decided."""
    over_length: float = Field(0.03, ge=0, lt=0.5)
    """By how much accuracy must exceed that of "the longer (or shorter) wins": the lower bound counts."""
    margin: float = Field(0.05, ge=0, lt=0.5)
    """How far accuracy may fall behind the champion's reward model on the same pairs: the lower bound counts."""

    def check(self, evidence: GateInputs) -> Finding:
        """Reject for what is wrong beyond chance; hold for what can't be told, or where there are too few pairs."""
        accuracy = interval(evidence.candidate, ACCURACY, PAIRS)
        if accuracy is None or accuracy.n < self.min_pairs:
            pairs = accuracy.n if accuracy else 0
            return self.found("hold", f"{pairs} held-out pairs are too few: {self.min_pairs} are needed", pairs=pairs)
        said = (
            f"the reward model agrees with {percent(accuracy.estimate)} of held-out votes {spread(accuracy, 'pairs')}"
        )
        numbers = accuracy.named("accuracy")
        over_champion = interval(evidence.candidate, OVER_CHAMPION, PAIRS)
        if found := list(self._problems(accuracy, interval(evidence.candidate, OVER_LENGTH, PAIRS), over_champion)):
            reasons = "; ".join(reason for _, reason in found)
            return self.found(worst(result for result, _ in found), f"{said}: {reasons}", **numbers)
        beside = "not behind the champion's" if over_champion else "the champion has none to compare with"
        return self.found("promote", f"{said}: above chance and length, {beside}", **numbers)

    def _problems(
        self, accuracy: Interval, over_length: Interval | None, over_champion: Interval | None
    ) -> Iterator[tuple[Result, str]]:
        if accuracy.low <= 0.5:
            yield "reject", "can't be told from chance"
        if over_length is None:
            yield "hold", "not compared with length alone"
        elif over_length.low <= self.over_length:
            result: Result = "reject" if over_length.high < 0 else "hold"
            yield result, f"{points(over_length)} above length alone, need {100 * self.over_length:g}"
        if over_champion and over_champion.low < -self.margin:
            result = "reject" if over_champion.high < -self.margin else "hold"
            yield result, f"{points(over_champion)} above the champion's, may lose {100 * self.margin:g}"


def points(gap: Interval) -> str:
    """A difference of two shares: +2.1 points (-0.4 to +4.6)."""
    return f"{100 * gap.estimate:+.1f} points ({100 * gap.low:+.1f} to {100 * gap.high:+.1f})"
