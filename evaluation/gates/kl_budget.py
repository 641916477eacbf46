"""The candidate stays near the SFT model: far away, the reward model's scores mean little."""

from pydantic import Field

from evaluation.evals.answers import CHAMPION_KL_MEAN, KL_MEAN, KL_P95
from evaluation.gates import Gate
from evaluation.verdict import Finding, GateInputs

MEAN, TAIL, CHAMPION = KL_MEAN.full, KL_P95.full, CHAMPION_KL_MEAN.full


class KLBudgetGate(Gate):
    """The divergence of its answers from the SFT reference, over all rounds together, stays within a budget."""

    limit: float = Field(20.0, gt=0)
    """Most nats per sequence, on average."""
    limit_p95: float = Field(50.0, gt=0)
    """Most nats per sequence in the answer at the 95th percentile."""

    def check(self, evidence: GateInputs) -> Finding:
        """Reject above either limit; hold where the divergence was not measured."""
        if not {MEAN, TAIL, CHAMPION} <= evidence.candidate.keys():
            return self.found("hold", "the divergence from the SFT model was not measured, or was not finite")
        mean, tail, spent = (evidence.candidate[name] for name in (MEAN, TAIL, CHAMPION))
        within = mean <= self.limit and tail <= self.limit_p95
        return self.found(
            "promote" if within else "reject",
            f"{mean:.1f} nats a sequence from the SFT model ({tail:.1f} at the 95th percentile; the champion is at "
            f"{spent:z.1f}): {'within' if within else 'over'} the budget of {self.limit:g} ({self.limit_p95:g}) for "
            "all rounds together",
            kl_mean=mean,
            kl_p95=tail,
            champion_kl_mean=spent,
        )
