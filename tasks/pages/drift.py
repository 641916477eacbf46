"""The drift page: alarms, all checks with effect and limit, histograms, and the effects over the rounds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from core.shown import number
from evaluation.drift.report import CheckedEffect, DriftReport, Histograms
from tasks.pages.html import render

Metrics = Mapping[str, float]

WIDTH, FLOOR, TOP = 300.0, 112.0, 6.0
"""Width, baseline and upper edge of a histogram, in SVG units."""

TICK = 0.6
"""Where on a bar the limit is marked, as a share of its length: effects above 1/.6 times their limit are cut off."""


def page(title: str, level: float, report: DriftReport, history: Sequence[tuple[int, Metrics]]) -> str:
    """Render the page of one drift report, as HTML without external files.

    Args:
        title: what was checked, for example "Round 3".
        level: the significance level (Holm-adjusted).
        report: the checks and histograms to draw.
        history: round number and metrics (`drift/…`) of each round, oldest first, this one included.
    """
    checks = sorted(map(_bar, report.checks), key=lambda bar: (not bar.check.alarm, -bar.share))
    return render(
        Path(__file__).with_name("drift.html.jinja"),
        {"short": number, "p_value": p_value},
        title=title,
        level=level,
        tick=TICK,
        checks=checks,
        alarms=[bar for bar in checks if bar.check.alarm],
        panels=[_panel(panel) for panel in report.panels],
        trends=[trend for check in report.checks if (trend := _trend(check, history)).dots],
    )


def p_value(p: float) -> str:
    """A p-value as a label."""
    return "< .001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 1 else "1"


class EffectBar(NamedTuple):
    """A check, and the length of its bar."""

    check: CheckedEffect
    title: str
    share: float
    """Length, as a share of the longest bar."""


class Outline(NamedTuple):
    """A panel, and the outlines of its histograms."""

    panel: Histograms
    before: str
    now: str


class TrendPoint(NamedTuple):
    """An effect in one round, and its position in a drawing."""

    x: float
    y: float
    value: float
    round: int
    alarm: bool


class Trend(NamedTuple):
    """An effect over the rounds."""

    title: str
    limit: float
    """Height of the limit in the drawing."""
    dots: list[TrendPoint]


def _bar(check: CheckedEffect) -> EffectBar:
    reach = (check.effect - check.zero) / (check.limit - check.zero)
    return EffectBar(check, check_title(check.name), min(max(reach, 0.0) * TICK, 1.0))


def check_title(name: str) -> str:
    """The name of a check as text: `kl_rise` becomes `KL rise`."""
    words = (
        name.replace("_", " ").replace("auc", "AUC").replace("psi", "PSI").replace("kl ", "KL ").replace("wass", "Wass")
    )
    return words[0].upper() + words[1:]


def _panel(panel: Histograms) -> Outline:
    top = max(*panel.before, *panel.now) or 1.0
    return Outline(panel, _steps(panel.before, top), _steps(panel.now, top))


def _steps(shares: Sequence[float], top: float) -> str:
    """A histogram's outline as SVG points, from baseline to baseline."""
    width = WIDTH / len(shares)
    heights = [FLOOR - (FLOOR - TOP) * share / top for share in shares]
    corners = [(x * width, height) for left, height in enumerate(heights) for x in (left, left + 1)]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in [(0.0, FLOOR), *corners, (WIDTH, FLOOR)])


def _trend(check: CheckedEffect, history: Sequence[tuple[int, Metrics]]) -> Trend:
    """An effect over the rounds, with its limit, as positions in a drawing of 300 by 110 SVG units."""
    name = f"drift/{check.name}"
    points = [
        (number, metrics[name], metrics.get(f"{name}_alarm", 0.0)) for number, metrics in history if name in metrics
    ]
    values = [check.zero, check.limit, *(value for _, value, _ in points)]
    low, high = min(values), max(values)

    def height(value: float) -> float:
        return float(round(90 - 78 * (value - low) / (high - low), 1))

    spacing = 272 / max(len(points) - 1, 1)
    dots = [
        TrendPoint(round(14 + spacing * index, 1), height(value), value, number, alarm > 0)
        for index, (number, value, alarm) in enumerate(points)
    ]
    return Trend(check_title(check.name), height(check.limit), dots)
