"""The candidate does not win by writing more, nor by saying nothing."""

from pydantic import Field

from evaluation.evals.answers import LENGTH_RATIO
from evaluation.gates import Gate
from evaluation.verdict import Finding, GateInputs

RATIO = LENGTH_RATIO.full


class LengthGate(Gate):
    """Its answers are neither much longer nor much shorter than the champion's."""

    shortest: float = Field(0.6, gt=0, le=1)
    """Fewest tokens an answer, as a multiple of the champion's."""
    longest: float = Field(1.5, ge=1)
    """Most tokens an answer, as a multiple of the champion's."""

    def check(self, evidence: GateInputs) -> Finding:
        """Reject outside of the bounds; hold where lengths were not compared."""
        if RATIO not in evidence.candidate:
            return self.found("hold", "the answers' lengths were not compared with the champion's")
        ratio = evidence.candidate[RATIO]
        within = self.shortest <= ratio <= self.longest
        said = f"answers are {ratio:.2f} times as long as the champion's"
        bounds = f"{'within' if within else 'outside of'} {self.shortest:g} to {self.longest:g}"
        return self.found("promote" if within else "reject", f"{said}: {bounds}", length_ratio=ratio)
