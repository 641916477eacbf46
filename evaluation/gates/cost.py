"""The round stays within its budget of tokens and seconds."""

from collections.abc import Iterator

from pydantic import Field

from evaluation.gates import Gate
from evaluation.verdict import Finding, GateInputs
from feedback.measured import COLLECT_TOKENS
from models.measured import POLICY_ANSWER_SAMPLED, SAMPLE_TOKENS

SAMPLED = (COLLECT_TOKENS.full, POLICY_ANSWER_SAMPLED.full, SAMPLE_TOKENS.full)
"""Tokens that this round's models sampled."""


class CostGate(Gate):
    """Tokens sampled and wall-clock seconds, compared with a budget. Without one they are only reported."""

    tokens: int | None = Field(None, ge=1)
    """Token budget: the most tokens that the round may sample; null for no limit."""
    seconds: float | None = Field(None, gt=0)
    """Time budget: the most wall-clock seconds that the steps before the verdict may take; null for no limit."""

    def check(self, inputs: GateInputs) -> Finding:
        """Reject over budget; hold if tokens, or seconds with a budget, were not counted."""
        if not set(SAMPLED) <= inputs.candidate.keys():
            return self.finding("hold", "not all of collect, policy and sample counted their tokens")
        tokens = sum(inputs.candidate[name] for name in SAMPLED)
        numbers = {"tokens": tokens}
        reason = f"{tokens:,.0f} tokens sampled"
        # without a time budget the verdict must not depend on the clock: recomputed, it is identical byte for byte
        if self.seconds is not None:
            if inputs.seconds is None:
                return self.finding("hold", f"{reason}; seconds have a budget but were not counted", **numbers)
            numbers["seconds"] = inputs.seconds
            reason += f" in {inputs.seconds:.0f} s"
        if over := list(self._over(tokens, inputs.seconds)):
            return self.finding("reject", f"{reason}: over the budget of {' and '.join(over)}", **numbers)
        within = "no budget is set" if self.tokens is None and self.seconds is None else "within the budget"
        return self.finding("promote", f"{reason}: {within}", **numbers)

    def _over(self, tokens: float, seconds: float | None) -> Iterator[str]:
        if self.tokens is not None and tokens > self.tokens:
            yield f"{self.tokens:,} tokens"
        if self.seconds is not None and seconds is not None and seconds > self.seconds:
            yield f"{self.seconds:g} s"
