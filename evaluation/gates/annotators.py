"""No annotator systematically contradicts all others."""

from collections.abc import Iterable

from pydantic import Field

from evaluation.gates import Gate
from evaluation.statistics.annotators import AnnotatorAgreement
from evaluation.statistics.wording import percent
from evaluation.verdict import Finding, GateInputs

NUMBERING = "annotators are numbered as in `annotators` of data/reports/reward.json, which has the names"


class AnnotatorsGate(Gate):
    """No annotator agrees significantly less often than the others with models that were trained on other pairs."""

    gap: float = Field(0.15, gt=0, lt=1)
    """How far an annotator's agreement rate may be below that of all others."""
    level: float = Field(0.01, gt=0, lt=1)
    """Significance level (Holm-adjusted)."""

    def check(self, inputs: GateInputs) -> Finding:
        """Hold until a person has looked: an annotator who contradicts all others may be careless, hostile or right.

        The reason gives no names: a verdict is published with the model, in its card and in archives for auditors.
        """
        if inputs.annotators is None:
            return self.finding("hold", "the annotators' votes were not compared")
        if not inputs.annotators:
            return self.finding("promote", "one annotator, or too few votes: nothing to compare")
        numbered = list(enumerate(inputs.annotators, start=1))
        outliers = _first_per_annotator(row for row in numbered if self._is_outlier(row[1]))
        if outliers:
            numbers = {f"annotator_{number}": annotator.agreement for number, annotator in outliers}
            cure = "docs/feedback.md explains how to withdraw an annotator's votes"
            reason = "; ".join(_sentence(number, annotator) for number, annotator in outliers)
            return self.finding("hold", f"{reason}: {NUMBERING}; {cure}", **numbers)
        lowest = min(numbered, key=lambda row: row[1].agreement - row[1].others)
        people = len({annotator.annotator for annotator in inputs.annotators})
        reason = f"no outlier among {people} annotators; lowest agreement: {_sentence(*lowest)}"
        return self.finding("promote", f"{reason}: {NUMBERING}")

    def _is_outlier(self, annotator: AnnotatorAgreement) -> bool:
        return annotator.others - annotator.agreement > self.gap and annotator.p < self.level


def _first_per_annotator(rows: Iterable[tuple[int, AnnotatorAgreement]]) -> list[tuple[int, AnnotatorAgreement]]:
    """The first row of each annotator."""
    first: dict[str, tuple[int, AnnotatorAgreement]] = {}
    for number, annotator in rows:
        first.setdefault(annotator.annotator, (number, annotator))
    return [*first.values()]


def _sentence(number: int, annotator: AnnotatorAgreement) -> str:
    who = f"annotator {number}, in the newest round" if annotator.newest else f"annotator {number}"
    own = f"{percent(annotator.agreement)} of {annotator.votes} votes agree with the model trained on other pairs"
    return f"{who}: {own}, {percent(annotator.others)} of all others' (Holm-adjusted p {annotator.p:.2g})"
