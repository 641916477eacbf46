"""The candidate loses on no single criterion, whatever the overall win rate."""

from pydantic import Field

from evaluation.evals.votes import CRITERION, VOTES
from evaluation.gates import Gate
from evaluation.statistics.losses import losses
from evaluation.verdict import Finding, GateInputs

PREFIX = f"{CRITERION.step}/{CRITERION.prefix}"


class CriteriaGate(Gate):
    """The candidate is significantly worse under no criterion (Holm-adjusted for the number of criteria)."""

    level: float = Field(0.05, gt=0, lt=1)
    """Significance level (Holm-adjusted)."""
    min_votes: int = Field(50, ge=1)
    """Fresh votes needed under each criterion."""

    def check(self, inputs: GateInputs) -> Finding:
        """Reject if the candidate is significantly worse under a criterion; hold if one has too few votes."""
        judged = losses(inputs.candidate, (PREFIX,), self.level)
        if not judged.rates and inputs.trust_judge and VOTES.full not in inputs.candidate:
            return self.finding(
                "promote", "no fresh votes; the judge model is trusted, but does not judge by criterion"
            )
        if not judged.rates:
            return self.finding(
                "hold", "no fresh vote names a criterion: collect votes that do, or leave this gate out"
            )
        if judged.lost:
            return self.finding("reject", f"significantly worse under {'; '.join(judged.lost)}", **judged.rates)
        if few := [name for name, votes in judged.votes.items() if votes < self.min_votes]:
            return self.finding(
                "hold", f"fewer than {self.min_votes} fresh votes under {', '.join(few)}", **judged.rates
            )
        return self.finding("promote", f"not significantly worse under {', '.join(judged.rates)}", **judged.rates)
