"""The data for training and evaluation are reliable."""

from collections.abc import Iterator, Mapping

from pydantic import Field

from evaluation.gates import Gate
from evaluation.statistics.wording import percent
from evaluation.verdict import Finding, GateInputs
from feedback.measured import (
    CURATE_AGREEMENT_ALPHA,
    CURATE_EVENTS,
    CURATE_LEAKED,
    CURATE_QUARANTINE_SHARE,
    CURATE_REFUSED,
    CURATE_SHARED_PAIRS,
)
from models.measured import (
    POLICY_CUT_PROMPTS,
    REWARD_CUT_ANSWERS,
    REWARD_CUT_PROMPTS,
    REWARD_EQUAL_AFTER_CUT,
    SAMPLE_CUT_PROMPTS,
    SFT_CUT_ANSWERS,
    SFT_CUT_PROMPTS,
)

LEAKED, QUARANTINE = CURATE_LEAKED.full, CURATE_QUARANTINE_SHARE.full
ALPHA, SHARED = CURATE_AGREEMENT_ALPHA.full, CURATE_SHARED_PAIRS.full


class DataQualityGate(Gate):
    """Nothing leaked into the holdout, annotators agree better than chance, few of the new records are unusable, and
    little text is lost to the token limits and the chat template."""

    alpha: float = Field(0.1, ge=-1, le=1)
    """Smallest allowed Krippendorff's alpha of people who voted on the same pairs: 0 is chance, 1 is perfect."""
    min_pairs: int = Field(50, ge=1)
    """Pairs with two votes or more needed to check agreement."""
    quarantine: float = Field(0.05, ge=0, le=1)
    """Largest allowed share of this round's records that are unusable; round 1 includes those of round 0."""
    cut: float = Field(0.5, ge=0, le=1)
    """Largest allowed share of prompts, and of answers, that are cut to the token limits."""
    refused: float = Field(0.05, ge=0, le=1)
    """Largest allowed share of the stored events whose prompt the chat template refuses."""
    equal_after_cut: float = Field(0.05, ge=0, le=1)
    """Largest allowed share of pairs whose answers are equal after the cut."""

    def check(self, inputs: GateInputs) -> Finding:
        """Reject if anything leaked, because then no metric is valid; hold for other problems until someone looks."""
        metrics = inputs.candidate
        if LEAKED not in metrics:
            return self.finding("hold", "leakage into the holdout was not measured")
        numbers = {
            name.partition("/")[2]: metrics[name] for name in (LEAKED, QUARANTINE, ALPHA, SHARED) if name in metrics
        }
        if metrics[LEAKED] > 0:
            reason = f"{metrics[LEAKED]:.0f} rows share a prompt or group with a split they must be separate from"
            return self.finding("reject", reason, **numbers)
        if problems := list(self._problems(inputs)):
            return self.finding("hold", "; ".join(problems), **numbers)
        return self.finding("promote", f"nothing leaked; {self._agreement(inputs)}; {_quarantined(inputs)}", **numbers)

    def _problems(self, inputs: GateInputs) -> Iterator[str]:
        metrics = inputs.candidate
        if metrics.get(SHARED, 0) >= self.min_pairs and metrics.get(ALPHA, 1.0) < self.alpha:
            yield (
                f"annotators disagree: Krippendorff's alpha is {metrics[ALPHA]:.2f} on {metrics[SHARED]:.0f} pairs, "
                f"at least {self.alpha:g} is needed"
            )
        if metrics.get(QUARANTINE, 0.0) > self.quarantine:
            yield f"{_quarantined(inputs)}, at most {percent(self.quarantine)} is allowed: see data/feedback/quarantine"
        yield from self._losses(metrics)

    def _losses(self, metrics: Mapping[str, float]) -> Iterator[str]:
        refused = metrics.get(CURATE_REFUSED.full, 0.0)
        if refused > self.refused * (refused + metrics.get(CURATE_EVENTS.full, 0.0)):
            yield f"the chat template of the base model refuses the prompts of {refused:.0f} stored events"
        for name, limit, loss in (
            (REWARD_CUT_PROMPTS.full, self.cut, "of the prompts of pairs are cut: raise model.max_prompt_tokens"),
            (POLICY_CUT_PROMPTS.full, self.cut, "of the policy's prompts are cut: raise model.max_prompt_tokens"),
            (SAMPLE_CUT_PROMPTS.full, self.cut, "of the held-out prompts are cut: raise model.max_prompt_tokens"),
            (REWARD_CUT_ANSWERS.full, self.cut, "of the answers are cut: raise model.max_answer_tokens"),
            (SFT_CUT_PROMPTS.full, self.cut, "of the demonstrations lose context: raise model.max_prompt_tokens"),
            (SFT_CUT_ANSWERS.full, self.cut, "of the demonstrations are cut: raise model.max_answer_tokens"),
            (
                REWARD_EQUAL_AFTER_CUT.full,
                self.equal_after_cut,
                "of the pairs are equal after the cut: raise model.max_answer_tokens",
            ),
        ):
            if metrics.get(name, 0.0) > limit:
                yield f"{percent(metrics[name])} {loss} (at most {percent(limit)} is allowed)"

    def _agreement(self, inputs: GateInputs) -> str:
        pairs = inputs.candidate.get(SHARED, 0)
        if pairs < self.min_pairs:
            return f"{pairs:.0f} pairs have two votes or more, too few to measure agreement"
        if ALPHA not in inputs.candidate:
            return f"all votes on {pairs:.0f} shared pairs are identical"
        return f"alpha is {inputs.candidate[ALPHA]:.2f} on {pairs:.0f} shared pairs"


def _quarantined(inputs: GateInputs) -> str:
    if QUARANTINE not in inputs.candidate:
        return "no new records"
    return f"{percent(inputs.candidate[QUARANTINE])} of the new records are in quarantine"
