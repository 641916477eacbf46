"""The candidate is not worse for any kind of prompt or any group of people."""

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
    """The candidate is significantly worse on no slice of prompts and in no group of voters (Holm-adjusted)."""

    level: float = Field(0.05, gt=0, lt=1)
    """Significance level (Holm-adjusted)."""

    def check(self, inputs: GateInputs) -> Finding:
        """Reject if a slice is significantly worse; hold if slices were not measured. Small slices are not reported."""
        judged = losses(inputs.candidate, PREFIXES, self.level)
        unvoted = VOTES.full not in inputs.candidate
        if unvoted and inputs.trust_judge and JUDGE_PROMPTS.full in inputs.candidate:
            return self.finding("promote", "no fresh votes; the judge model is trusted, but does not judge by slice")
        if unvoted or SLICES.full not in inputs.candidate:
            return self.finding("hold", "no fresh votes were counted by slice")
        if judged.lost:
            return self.finding("reject", f"significantly worse in {'; '.join(judged.lost)}", **judged.rates)
        if not judged.rates:
            return self.finding("promote", "does not apply: no flag and no group of voters has enough fresh votes")
        lowest = min(judged.rates, key=judged.rates.__getitem__)
        rate = percent(judged.rates[lowest])
        reason = f"not significantly worse in any of {len(judged.rates)} slices; the lowest is {lowest}, {rate}"
        return self.finding("promote", reason, **judged.rates)
