"""The round stays within what it may cost."""

from collections.abc import Iterator

from pydantic import Field

from evaluation.gates import Gate
from evaluation.verdict import Finding, GateInputs
from feedback.measured import COLLECT_TOKENS
from models.measured import POLICY_ANSWER_SAMPLED, SAMPLE_TOKENS

SAMPLED = (COLLECT_TOKENS.full, POLICY_ANSWER_SAMPLED.full, SAMPLE_TOKENS.full)
"""Tokens that the models of this round wrote."""


class CostGate(Gate):
    """Tokens sampled, and seconds by the clock, against a budget. Without one they are only reported."""

    tokens: int | None = Field(None, ge=1)
    """Most tokens that the round may sample; null for any number."""
    seconds: float | None = Field(None, gt=0)
    """Most seconds that the steps before the verdict may take together; null for any number."""

    def check(self, evidence: GateInputs) -> Finding:
        """Reject over a budget; hold where tokens, or seconds that have one, were not counted."""
        if not set(SAMPLED) <= evidence.candidate.keys():
            return self.found("hold", "the tokens of the round were not counted by all of collect, policy and sample")
        tokens = sum(evidence.candidate[name] for name in SAMPLED)
        numbers = {"tokens": tokens}
        said = f"{tokens:,.0f} tokens sampled"
        # without a budget the clock has no part in the verdict: computed again, it is the same to the byte
        if self.seconds is not None:
            if evidence.seconds is None:
                return self.found("hold", f"{said}; the seconds, which have a budget, were not counted", **numbers)
            numbers["seconds"] = evidence.seconds
            said += f" in {evidence.seconds:.0f} s"
        if over := list(self._over(tokens, evidence.seconds)):
            return self.found("reject", f"{said}: over the budget of {' and '.join(over)}", **numbers)
        within = "no budget is set" if self.tokens is None and self.seconds is None else "within the budget"
        return self.found("promote", f"{said}: {within}", **numbers)

    def _over(self, tokens: float, seconds: float | None) -> Iterator[str]:
        if self.tokens is not None and tokens > self.tokens:
            yield f"{self.tokens:,} tokens"
        if self.seconds is not None and seconds is not None and seconds > self.seconds:
            yield f"{self.seconds:g} s"
