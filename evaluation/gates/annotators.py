"""Nobody votes against everybody else."""

from collections.abc import Iterable

from pydantic import Field

from evaluation.gates import Gate
from evaluation.statistics.annotators import AnnotatorAgreement
from evaluation.statistics.wording import percent
from evaluation.verdict import Finding, GateInputs

WHO = "numbers are places in `annotators` of data/reports/reward.json, which names them"


class AnnotatorsGate(Gate):
    """No annotator agrees far less often than the others with models that did not learn from the same pairs."""

    gap: float = Field(0.15, gt=0, lt=1)
    """How much less often that may be."""
    level: float = Field(0.01, gt=0, lt=1)
    """Adjusted p-value below which it is no chance."""

    def check(self, evidence: GateInputs) -> Finding:
        """Hold till a person has looked: who is at odds with all others may be wrong, hostile, or right.

        Nobody is named: a verdict goes along with the model, in its card and into archives for auditors.
        """
        if evidence.annotators is None:
            return self.found("hold", "nobody looked at how the annotators vote")
        if not evidence.annotators:
            return self.found("promote", "one annotator, or too few votes: there is nobody to compare with")
        listed = list(enumerate(evidence.annotators, start=1))
        if odd := _each_once((place, one) for place, one in listed if self._odd(one)):
            numbers = {f"annotator_{place}": one.agreement for place, one in odd}
            cure = "see docs/feedback.md on withdrawing what they said"
            said = "; ".join(_sentence(place, one) for place, one in odd)
            return self.found("hold", f"{said}: {WHO}, {cure}", **numbers)
        least = min(listed, key=lambda found: found[1].agreement - found[1].others)
        people = len({one.annotator for one in evidence.annotators})
        return self.found("promote", f"{people} annotators vote alike; most at odds is {_sentence(*least)}: {WHO}")

    def _odd(self, one: AnnotatorAgreement) -> bool:
        return one.others - one.agreement > self.gap and one.p < self.level


def _each_once(found: Iterable[tuple[int, AnnotatorAgreement]]) -> list[tuple[int, AnnotatorAgreement]]:
    """The first of each annotator."""
    once: dict[str, tuple[int, AnnotatorAgreement]] = {}
    for place, one in found:
        once.setdefault(one.annotator, (place, one))
    return [*once.values()]


def _sentence(place: int, one: AnnotatorAgreement) -> str:
    who = f"annotator {place}, in the newest round" if one.newest else f"annotator {place}"
    agreement = f"agrees with {percent(one.agreement)} of {one.votes} votes, others {percent(one.others)}"
    return f"{who}: the model that did not learn from them {agreement} (p {one.p:.2g})"
