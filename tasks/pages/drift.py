"""Drift as a page that a person looks at: is there an alarm, what moved, and how it went over the rounds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evaluation.drift.report import CheckedEffect, DriftReport, Histograms

Metrics = Mapping[str, float]

WIDTH, FLOOR, TOP = 300.0, 112.0, 6.0
"""Of a histogram, in units of its drawing."""

TICK = 0.6
"""Where on a bar the limit is marked: an effect may be drawn up to 1/.6 times its limit."""


def page(title: str, level: float, report: DriftReport, history: Sequence[tuple[int, Metrics]]) -> str:
    """The page of one look, as HTML that needs nothing else.

    Args:
        title: what was looked at, as "Round 3".
        level: the p-value below which an effect is no chance.
        report: its checks and panels are drawn.
        history: round number and metrics (`drift/…`), oldest first, this one included.
    """
    folder = Path(__file__).parent
    surroundings = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    surroundings.filters |= {"short": short, "chance": chance}
    checks = sorted(map(_bar, report.checks), key=lambda bar: (not bar.check.alarm, -bar.share))
    return surroundings.get_template("drift.html.jinja").render(
        title=title,
        level=level,
        tick=TICK,
        checks=checks,
        alarms=[bar for bar in checks if bar.check.alarm],
        panels=[_panel(panel) for panel in report.panels],
        trends=[trend for check in report.checks if (trend := _trend(check, history)).dots],
    )


def short(number: float) -> str:
    """A number as a label: three significant digits, no exponent for what people count."""
    return f"{number:.3g}" if abs(number) < 1000 else f"{number:,.0f}"


def chance(p: float) -> str:
    """A p-value as a label."""
    return "< .001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 1 else "1"


class Bar(NamedTuple):
    """A check, and how long its bar is."""

    check: CheckedEffect
    title: str
    share: float
    """Of the widest bar."""


class Outline(NamedTuple):
    """A panel, and the outlines of its histograms."""

    panel: Histograms
    before: str
    now: str


class Dot(NamedTuple):
    """An effect in one round, and its place in a drawing."""

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
    dots: list[Dot]


def _bar(check: CheckedEffect) -> Bar:
    reach = (check.effect - check.zero) / (check.limit - check.zero)
    return Bar(check, _title(check.name), min(max(reach, 0.0) * TICK, 1.0))


def _title(name: str) -> str:
    """`drift/kl_rise` as words."""
    words = (
        name.replace("_", " ").replace("auc", "AUC").replace("psi", "PSI").replace("kl ", "KL ").replace("wass", "Wass")
    )
    return words[0].upper() + words[1:]


def _panel(panel: Histograms) -> Outline:
    top = max(*panel.before, *panel.now) or 1.0
    return Outline(panel, _steps(panel.before, top), _steps(panel.now, top))


def _steps(shares: Sequence[float], top: float) -> str:
    """A histogram's outline as SVG points, from floor to floor."""
    wide = WIDTH / len(shares)
    heights = [FLOOR - (FLOOR - TOP) * share / top for share in shares]
    corners = [(x * wide, height) for left, height in enumerate(heights) for x in (left, left + 1)]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in [(0.0, FLOOR), *corners, (WIDTH, FLOOR)])


def _trend(check: CheckedEffect, history: Sequence[tuple[int, Metrics]]) -> Trend:
    """An effect over the rounds, with its limit, as places in a drawing 300 wide and 110 high."""
    name = f"drift/{check.name}"
    points = [
        (number, metrics[name], metrics.get(f"{name}_alarm", 0.0)) for number, metrics in history if name in metrics
    ]
    values = [check.zero, check.limit, *(value for _, value, _ in points)]
    low, high = min(values), max(values)

    def height(value: float) -> float:
        return float(round(90 - 78 * (value - low) / (high - low), 1))

    wide = 272 / max(len(points) - 1, 1)
    dots = [
        Dot(round(14 + wide * place, 1), height(value), value, number, alarm > 0)
        for place, (number, value, alarm) in enumerate(points)
    ]
    return Trend(_title(check.name), height(check.limit), dots)
