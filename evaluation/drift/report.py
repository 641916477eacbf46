"""The report on drift as a value: data/reports/drift.json, which the drift page and the model card are made from."""

from collections.abc import Sequence

from pydantic import Field

from core.stored import Stored, Value
from evaluation.drift import CheckResult, DriftFindings, metrics, sentence


class CheckedEffect(Value):
    """A check, decided: see `Check` and `CheckResult`."""

    name: str
    effect: float
    limit: float
    p: float
    """Adjusted for the number of checks."""
    said: str
    look: str
    zero: float = 0.0
    alarm: bool


class Histograms(Value):
    """See `Panel`."""

    title: str
    unit: str
    low: float
    high: float
    before: tuple[float, ...]
    now: tuple[float, ...]


class DriftReport(Stored):
    """What is alarming first, then all checks, then histograms to look at."""

    metrics: dict[str, float] = Field(default_factory=dict)
    alarms: tuple[str, ...] = ()
    checks: tuple[CheckedEffect, ...] = ()
    panels: tuple[Histograms, ...] = ()


def report(findings: DriftFindings, decided: Sequence[CheckResult]) -> DriftReport:
    """Everything that one look found."""
    return DriftReport(
        metrics=metrics(findings, decided),
        alarms=tuple(sentence(found) for found in decided if found.alarm),
        checks=tuple(CheckedEffect.from_json(found.to_json()) for found in decided),
        panels=tuple(Histograms.from_json(panel._asdict()) for panel in findings.panels),
    )
