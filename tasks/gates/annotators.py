"""Nobody votes against everybody else."""

from collections.abc import Iterable

from pydantic import Field

from tasks.annotators import Standing
from tasks.evidence import Evidence, Finding
from tasks.gates import Gate, percent


class Annotators(Gate):
    """No annotator agrees far less often than the others with models that did not learn from the same pairs."""

    gap: float = Field(0.15, gt=0, lt=1)
    """How much less often that may be."""
    level: float = Field(0.01, gt=0, lt=1)
    """Adjusted p-value below which it is no chance."""

    def check(self, evidence: Evidence) -> Finding:
        """Hold till a person has looked: who is at odds with all others may be wrong, hostile, or right."""
        if evidence.annotators is None:
            return self.found("hold", "nobody looked at how the annotators vote")
        if not evidence.annotators:
            return self.found("promote", "one annotator, or too few votes: there is nobody to compare with")
        if odd := _each_once(one for one in evidence.annotators if self._odd(one)):
            numbers = {one.annotator: one.agreement for one in odd}
            cure = "see docs/feedback.md on withdrawing what they said"
            return self.found("hold", f"{'; '.join(map(_sentence, odd))}: {cure}", **numbers)
        least = min(evidence.annotators, key=lambda one: one.agreement - one.others)
        people = len({one.annotator for one in evidence.annotators})
        said = f"{people} annotators vote alike; most at odds is {_sentence(least)}"
        return self.found("promote", said)

    def _odd(self, one: Standing) -> bool:
        return one.others - one.agreement > self.gap and one.p < self.level


def _each_once(found: Iterable[Standing]) -> list[Standing]:
    """The first of each annotator."""
    once: dict[str, Standing] = {}
    for one in found:
        once.setdefault(one.annotator, one)
    return [*once.values()]


def _sentence(one: Standing) -> str:
    who = f"{one.annotator}, in the newest round" if one.newest else one.annotator
    agreement = f"agrees with {percent(one.agreement)} of {one.votes} votes, others {percent(one.others)}"
    return f"{who}: the model that did not learn from them {agreement} (p {one.p:.2g})"
