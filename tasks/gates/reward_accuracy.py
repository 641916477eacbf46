"""The reward model that the candidate was trained against knows what people prefer."""

from collections.abc import Iterator

from pydantic import Field

from core.intervals import Interval, difference
from tasks.evals import Metrics
from tasks.evidence import Evidence, Finding, interval
from tasks.gates import Gate, percent, spread

ACCURACY, PAIRS, CEILING = "evaluate/reward_accuracy", "evaluate/reward_pairs", "evaluate/reward_ceiling"


class RewardAccuracy(Gate):
    """On held-out preferences it beats chance, does not fall behind length alone, nor behind the champion's."""

    min_pairs: int = Field(100, ge=1)
    """Decided held-out pairs below which nothing is decided."""
    margin: float = Field(0.05, ge=0, lt=0.5)
    """How far accuracy may fall behind the champion's reward model."""

    def check(self, evidence: Evidence) -> Finding:
        """Reject for the first thing that is wrong beyond chance; hold where there are too few pairs to tell."""
        accuracy = interval(evidence.candidate, ACCURACY, PAIRS)
        if accuracy is None or accuracy.n < self.min_pairs:
            pairs = accuracy.n if accuracy else 0
            return self.found("hold", f"{pairs} held-out pairs are too few: {self.min_pairs} are needed", pairs=pairs)
        said = (
            f"the reward model agrees with {percent(accuracy.estimate)} of held-out votes {spread(accuracy, 'pairs')}"
        )
        numbers = accuracy.named("accuracy")
        if problem := next(self._problems(accuracy, evidence), None):
            return self.found("reject", f"{said}: {problem}", **numbers)
        return self.found("promote", f"{said}: above chance and behind no baseline", **numbers)

    def _problems(self, accuracy: Interval, evidence: Evidence) -> Iterator[str]:
        if accuracy.low <= 0.5:
            yield "can't be told from chance"
        over_length = interval(evidence.candidate, "evaluate/reward_over_length", PAIRS)
        if over_length and over_length.high < 0:
            yield f"{percent(-over_length.estimate)} behind what length alone predicts"
        theirs = interval(evidence.champion, ACCURACY, PAIRS)
        if theirs:
            behind = difference(accuracy, theirs)
            if behind.high - ceiling_shift(evidence.candidate, evidence.champion) < -self.margin:
                yield f"behind the champion's reward model, {percent(theirs.estimate)} {spread(theirs, 'pairs')}"


def ceiling_shift(ours: Metrics, theirs: Metrics) -> float:
    """By how much more accuracy our held-out votes allow than theirs; 0 where either does not know its ceiling.

    As answers improve, people disagree more about them, and the accuracy of an equally good reward model falls.
    """
    return ours[CEILING] - theirs[CEILING] if CEILING in ours and CEILING in theirs else 0.0
