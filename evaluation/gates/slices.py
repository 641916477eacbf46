"""Nobody pays for what the others gain: no kind of prompt, and no group of people."""

from pydantic import Field

from evaluation.evals.judge import JUDGE_PROMPTS
from evaluation.evals.slices import SLICE, SLICES, VOTERS
from evaluation.evals.votes import VOTES
from evaluation.gates import Gate
from evaluation.statistics.losses import losses
from evaluation.statistics.wording import percent
from evaluation.verdict import Finding, GateInputs

PREFIXES = (f"{SLICE.step}/{SLICE.prefix}", f"{VOTERS.step}/{VOTERS.prefix}")


class SlicesGate(Gate):
    """On no slice of prompts and in no group of voters does the candidate lose beyond chance (Holm)."""

    level: float = Field(0.05, gt=0, lt=1)
    """Adjusted p-value below which a loss is no chance."""

    def check(self, evidence: GateInputs) -> Finding:
        """Reject where a slice is lost; hold where nobody looked. Slices with too few votes are not reported at all."""
        judged = losses(evidence.candidate, PREFIXES, self.level)
        unvoted = VOTES.full not in evidence.candidate
        if unvoted and evidence.trust_judge and JUDGE_PROMPTS.full in evidence.candidate:
            return self.found("promote", "no fresh votes, and the judge model, which is trusted, is not asked by slice")
        if unvoted or SLICES.full not in evidence.candidate:
            return self.found("hold", "no fresh votes were counted by slice")
        if judged.lost:
            said = "; ".join(judged.lost)
            return self.found("reject", f"the candidate loses beyond chance among {said}", **judged.rates)
        if not judged.rates:
            return self.found("promote", "does not apply: no flag and no group of voters has enough fresh votes")
        low = min(judged.rates, key=judged.rates.__getitem__)
        said = f"no loss beyond chance in {len(judged.rates)} slices; the worst is {low}, {percent(judged.rates[low])}"
        return self.found("promote", said, **judged.rates)
