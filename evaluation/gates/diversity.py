"""The policy has not collapsed onto a few answers."""

from pydantic import Field

from evaluation.evals.diversity import CHAMPION_SELF_BLEU, DISTINCT_2_KEPT, SELF_BLEU
from evaluation.gates import Gate
from evaluation.statistics.wording import percent
from evaluation.verdict import Finding, GateInputs

DISTINCT, BLEU = DISTINCT_2_KEPT.full, (SELF_BLEU.full, CHAMPION_SELF_BLEU.full)


class DiversityGate(Gate):
    """Its answers are about as varied as the champion's, by distinct word pairs and self-BLEU."""

    distinct: float = Field(0.7, ge=0, le=1)
    """Smallest allowed ratio of distinct word pairs to the champion's, in samples of equal size (rarefaction)."""
    self_bleu: float = Field(0.05, ge=0, le=1)
    """Largest allowed rise of self-BLEU above the champion's, capped at half the distance from the champion's to 1."""

    def check(self, inputs: GateInputs) -> Finding:
        """Reject if either measure shows a loss of diversity; hold if one was not measured."""
        metrics = inputs.candidate
        if not {DISTINCT, *BLEU} <= metrics.keys():
            return self.finding("hold", "the answers' diversity was not compared with the champion's")
        share = metrics[DISTINCT]
        ours, theirs = (metrics[name] for name in BLEU)
        rise = min(self.self_bleu, (1 - theirs) / 2)  # in a narrow domain, answers are nearly identical from the start
        varied = share >= self.distinct and ours - theirs <= rise
        reason = (
            f"{percent(share)} of the champion's distinct word pairs (at least {percent(self.distinct)} is needed), "
            f"self-BLEU {ours:.3f} (champion {theirs:.3f}, largest allowed rise {rise:.2g})"
        )
        return self.finding("promote" if varied else "reject", reason, distinct_2_kept=share, self_bleu=ours)
