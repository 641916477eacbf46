"""No single criterion is traded away for the overall impression."""

from pydantic import Field

from evaluation.evals.votes import CRITERION, VOTES
from evaluation.gates import Gate
from evaluation.statistics.losses import losses
from evaluation.verdict import Finding, GateInputs

PREFIX = f"{CRITERION.step}/{CRITERION.prefix}"


class CriteriaGate(Gate):
    """Under no criterion does the candidate lose beyond chance, p-values adjusted for looking at all of them (Holm)."""

    level: float = Field(0.05, gt=0, lt=1)
    """Adjusted p-value below which a loss is no chance."""
    min_votes: int = Field(50, ge=1)
    """Fresh votes below which a criterion is not judged."""

    def check(self, evidence: GateInputs) -> Finding:
        """Reject where a criterion is lost, hold where one has too few votes to tell."""
        judged = losses(evidence.candidate, (PREFIX,), self.level)
        if not judged.rates and evidence.trust_judge and VOTES.full not in evidence.candidate:
            return self.found("promote", "no fresh votes, and the judge model, which is trusted, knows no criteria")
        if not judged.rates:
            return self.found("hold", "no fresh vote names a criterion: collect some that do, or leave this gate out")
        if judged.lost:
            said = "; ".join(judged.lost)
            return self.found("reject", f"the candidate loses beyond chance under {said}", **judged.rates)
        if few := [name for name, votes in judged.votes.items() if votes < self.min_votes]:
            return self.found("hold", f"fewer than {self.min_votes} fresh votes on {', '.join(few)}", **judged.rates)
        return self.found("promote", f"no loss beyond chance under {', '.join(judged.rates)}", **judged.rates)
