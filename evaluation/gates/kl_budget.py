"""The candidate stays close to the SFT model: far from it, the reward model's scores are unreliable."""

from pydantic import Field

from evaluation.evals.answers import CHAMPION_KL_MEAN, KL_MEAN, KL_P95
from evaluation.gates import Gate
from evaluation.verdict import Finding, GateInputs

MEAN, TAIL, CHAMPION = KL_MEAN.full, KL_P95.full, CHAMPION_KL_MEAN.full


class KLBudgetGate(Gate):
    """The KL divergence of its answers from the SFT reference, over all rounds together, is within a budget."""

    limit: float = Field(20.0, gt=0)
    """Largest allowed mean KL divergence, in nats per sequence."""
    limit_p95: float = Field(50.0, gt=0)
    """Largest allowed 95th percentile of the KL divergence, in nats per sequence."""

    def check(self, inputs: GateInputs) -> Finding:
        """Reject above either limit; hold if the divergence was not measured."""
        if not {MEAN, TAIL, CHAMPION} <= inputs.candidate.keys():
            return self.finding("hold", "the KL divergence from the SFT model was not measured, or is not finite")
        mean, tail, champion = (inputs.candidate[name] for name in (MEAN, TAIL, CHAMPION))
        within = mean <= self.limit and tail <= self.limit_p95
        return self.finding(
            "promote" if within else "reject",
            f"KL to the SFT model {mean:.1f} nats per sequence ({tail:.1f} at the 95th percentile; the champion is at "
            f"{champion:z.1f}): {'within' if within else 'over'} the budget of {self.limit:g} ({self.limit_p95:g}) for "
            "all rounds together",
            kl_mean=mean,
            kl_p95=tail,
            champion_kl_mean=champion,
        )
