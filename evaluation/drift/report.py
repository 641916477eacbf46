"""The drift report, data/reports/drift.json: the drift page and the model card are rendered from it."""

from collections.abc import Sequence

from pydantic import Field

from core.stored import Stored, Value
from evaluation.drift import CheckResult, DriftFindings, metrics, sentence


class CheckedEffect(Value):
    """A check with its decision: see `DriftCheck` and `CheckResult`."""

    name: str
    effect: float
    limit: float
    p: float
    """Holm-adjusted for the number of checks."""
    said: str
    look: str
    zero: float = 0.0
    alarm: bool


class Histograms(Value):
    """See `HistogramPanel`."""

    title: str
    unit: str
    low: float
    high: float
    before: tuple[float, ...]
    now: tuple[float, ...]


class DriftReport(Stored):
    """Alarms as sentences, then all checks, then histograms."""

    metrics: dict[str, float] = Field(default_factory=dict)
    alarms: tuple[str, ...] = ()
    checks: tuple[CheckedEffect, ...] = ()
    panels: tuple[Histograms, ...] = ()


def report(findings: DriftFindings, decided: Sequence[CheckResult]) -> DriftReport:
    """The report of all findings."""
    return DriftReport(
        metrics=metrics(findings, decided),
        alarms=tuple(sentence(result) for result in decided if result.alarm),
        checks=tuple(CheckedEffect.from_json(result.to_json()) for result in decided),
        panels=tuple(Histograms.from_json(panel._asdict()) for panel in findings.panels),
    )
