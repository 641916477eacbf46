"""The candidate stays near the SFT model: far away, the reward model's scores mean little."""

from pydantic import Field

from tasks.evidence import Evidence, Finding
from tasks.gates import Gate

MEAN, TAIL = "evaluate/kl_mean", "evaluate/kl_p95"


class KLBudget(Gate):
    """The divergence of its answers from the SFT reference stays within a budget, on average and in the tail."""

    limit: float = Field(20.0, gt=0)
    """Most nats per sequence, on average."""
    limit_p95: float = Field(50.0, gt=0)
    """Most nats per sequence in the answer at the 95th percentile."""

    def check(self, evidence: Evidence) -> Finding:
        """Reject above either limit; hold where the divergence was not measured."""
        if MEAN not in evidence.candidate or TAIL not in evidence.candidate:
            return self.found("hold", "the divergence from the SFT model was not measured, or was not finite")
        mean, tail = evidence.candidate[MEAN], evidence.candidate[TAIL]
        within = mean <= self.limit and tail <= self.limit_p95
        return self.found(
            "promote" if within else "reject",
            f"{mean:.1f} nats a sequence from the SFT model ({tail:.1f} at the 95th percentile): "
            f"{'within' if within else 'over'} the budget of {self.limit:g} ({self.limit_p95:g})",
            kl_mean=mean,
            kl_p95=tail,
        )
