"""The data that the round learned from, and is judged on, can be trusted."""

from collections.abc import Iterator

from pydantic import Field

from evaluation.gates import Gate
from evaluation.statistics.wording import percent
from evaluation.verdict import Finding, GateInputs
from feedback.measured import CURATE_AGREEMENT_ALPHA, CURATE_LEAKED, CURATE_QUARANTINE_SHARE, CURATE_SHARED_PAIRS

LEAKED, QUARANTINE = CURATE_LEAKED.full, CURATE_QUARANTINE_SHARE.full
ALPHA, SHARED = CURATE_AGREEMENT_ALPHA.full, CURATE_SHARED_PAIRS.full


class DataQualityGate(Gate):
    """Nothing leaked into the holdout, people agree more than by chance, and few of the new records are unusable."""

    alpha: float = Field(0.1, ge=-1, le=1)
    """Least Krippendorff's alpha of people who voted on the same pairs: 0 is chance, 1 is perfect."""
    min_pairs: int = Field(50, ge=1)
    """Pairs with two votes or more below which agreement is not judged."""
    quarantine: float = Field(0.05, ge=0, le=1)
    """Largest share of this round's records that could not be used; round 1 counts those of round 0 as well."""

    def check(self, evidence: GateInputs) -> Finding:
        """Reject where something leaked: no number means what it says; hold for the rest, till someone looks."""
        metrics = evidence.candidate
        if LEAKED not in metrics:
            return self.found("hold", "leakage into the holdout was not measured")
        numbers = {
            name.partition("/")[2]: metrics[name] for name in (LEAKED, QUARANTINE, ALPHA, SHARED) if name in metrics
        }
        if metrics[LEAKED] > 0:
            reason = f"{metrics[LEAKED]:.0f} rows share a prompt or group with a part they have to be kept from"
            return self.found("reject", reason, **numbers)
        if problems := list(self._problems(evidence)):
            return self.found("hold", "; ".join(problems), **numbers)
        return self.found(
            "promote", f"nothing leaked; {self._agreement(evidence)}; {_quarantined(evidence)}", **numbers
        )

    def _problems(self, evidence: GateInputs) -> Iterator[str]:
        metrics = evidence.candidate
        if metrics.get(SHARED, 0) >= self.min_pairs and metrics.get(ALPHA, 1.0) < self.alpha:
            yield (
                f"people hardly agree: Krippendorff's alpha is {metrics[ALPHA]:.2f} on {metrics[SHARED]:.0f} pairs, "
                f"need {self.alpha:g}"
            )
        if metrics.get(QUARANTINE, 0.0) > self.quarantine:
            yield f"{_quarantined(evidence)}, at most {percent(self.quarantine)} may be: see data/feedback/quarantine"

    def _agreement(self, evidence: GateInputs) -> str:
        pairs = evidence.candidate.get(SHARED, 0)
        if pairs < self.min_pairs:
            return f"{pairs:.0f} pairs have two votes or more, too few to tell how far people agree"
        if ALPHA not in evidence.candidate:
            return f"all votes on {pairs:.0f} shared pairs are alike"
        return f"alpha is {evidence.candidate[ALPHA]:.2f} on {pairs:.0f} shared pairs"


def _quarantined(evidence: GateInputs) -> str:
    if QUARANTINE not in evidence.candidate:
        return "no record came in"
    return f"{percent(evidence.candidate[QUARANTINE])} of the new records are in quarantine"
