"""The candidate does not win by writing longer answers or empty ones."""

from pydantic import Field

from evaluation.evals.answers import LENGTH_RATIO
from evaluation.gates import Gate
from evaluation.verdict import Finding, GateInputs

RATIO = LENGTH_RATIO.full


class LengthGate(Gate):
    """Its answers are neither much longer nor much shorter than the champion's."""

    shortest: float = Field(0.6, gt=0, le=1)
    """Smallest allowed mean length in tokens, as a multiple of the champion's."""
    longest: float = Field(1.5, ge=1)
    """Largest allowed mean length in tokens, as a multiple of the champion's."""

    def check(self, inputs: GateInputs) -> Finding:
        """Reject outside the bounds; hold if lengths were not compared."""
        if RATIO not in inputs.candidate:
            return self.finding("hold", "the answers' lengths were not compared with the champion's")
        ratio = inputs.candidate[RATIO]
        within = self.shortest <= ratio <= self.longest
        # a ratio of 0.5999 is shown as such: "0.60, outside 0.6 to 1.5" would contradict itself
        shown = f"{ratio:.2f}" if within or not self.shortest <= round(ratio, 2) <= self.longest else f"{ratio:.4g}"
        reason = f"answers are {shown} times as long as the champion's"
        bounds = f"{'within' if within else 'outside'} {self.shortest:g} to {self.longest:g}"
        return self.finding("promote" if within else "reject", f"{reason}: {bounds}", length_ratio=ratio)
