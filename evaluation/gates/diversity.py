"""The candidate has not collapsed onto a few answers."""

from pydantic import Field

from evaluation.evals.diversity import CHAMPION_SELF_BLEU, DISTINCT_2_KEPT, SELF_BLEU
from evaluation.gates import Gate
from evaluation.statistics.wording import percent
from evaluation.verdict import Finding, GateInputs

KEPT, BLEU = DISTINCT_2_KEPT.full, (SELF_BLEU.full, CHAMPION_SELF_BLEU.full)


class DiversityGate(Gate):
    """Its answers repeat hardly more of each other than the champion's: distinct word pairs and self-BLEU."""

    distinct: float = Field(0.7, ge=0, le=1)
    """Least share of the champion's distinct word pairs, counted in as many word pairs of either."""
    self_bleu: float = Field(0.05, ge=0, le=1)
    """Most by which self-BLEU may rise over the champion's; never by more than half of what it lacks to 1."""

    def check(self, evidence: GateInputs) -> Finding:
        """Reject what lost its variety by either measure; hold where it was not measured."""
        metrics = evidence.candidate
        if not {KEPT, *BLEU} <= metrics.keys():
            return self.found("hold", "the answers' variety was not compared with the champion's")
        share = metrics[KEPT]
        alike, before = (metrics[name] for name in BLEU)
        rise = min(self.self_bleu, (1 - before) / 2)  # the answers of a narrow world are all but alike from the start
        varied = share >= self.distinct and alike - before <= rise
        said = (
            f"{percent(share)} of the champion's distinct word pairs (need {percent(self.distinct)}), "
            f"self-BLEU {alike:.3f} (champion {before:.3f}, may rise by {rise:.2g})"
        )
        return self.found("promote" if varied else "reject", said, distinct_2_kept=share, self_bleu=alike)
