"""Charts as numbers: where lines, bars and labels lie. A template draws them as SVG, so that every text is escaped."""

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import NamedTuple

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 28
"""Margins around the drawing, for the labels of the axes."""

LABELS = 8
"""Labels of the horizontal axis at most."""

TICKS = 4
"""Intervals of the vertical axis, about."""


class Label(NamedTuple):
    """A text beside an axis."""

    at: float
    """x for the horizontal axis, y for the vertical one."""
    text: str


class Measured(NamedTuple):
    """A value with its interval."""

    label: str
    """On the horizontal axis."""
    value: float | None
    """None leaves a gap."""
    low: float | None = None
    high: float | None = None


class Point(NamedTuple):
    """A value in the drawing."""

    x: float
    y: float
    low: float | None
    """y of the lower end of the interval."""
    high: float | None
    title: str
    """What a pointer on it shows."""


class Bar(NamedTuple):
    """A bar in the drawing."""

    x: float
    y: float
    width: float
    height: float
    title: str


class Chart(NamedTuple):
    """A chart of one series. Its sizes are those of the module."""

    title: str
    summary: str
    """The same in words, for people who do not see it."""
    points: tuple[Point, ...]
    bars: tuple[Bar, ...]
    path: str
    """The line through the points, as SVG writes it, with gaps."""
    rows: tuple[Label, ...]
    """Ticks of the vertical axis."""
    columns: tuple[Label, ...]
    """Ticks of the horizontal axis."""
    level: float | None
    """y of a level to compare with."""


def line(title: str, values: Sequence[Measured], form: str, level: float | None = None) -> Chart:
    """Values with their intervals, from left to right.

    Args:
        title: of the chart.
        values: at least one that is measured.
        form: how a value is written, e.g. `.0%`.
        level: a value to compare with, which is drawn too.
    """
    known = [end for value in values for end in (value.value, value.low, value.high) if end is not None]
    ticks = _ticks([*known, *([] if level is None else [level])])
    slot = (WIDTH - LEFT - RIGHT) / len(values)
    points: list[Point] = []
    path: list[str] = []
    joined = False
    for number, each in enumerate(values):
        if each.value is None:
            joined = False
            continue
        x, y = LEFT + slot * (number + 0.5), _y(each.value, ticks)
        low, high = (None if end is None else _y(end, ticks) for end in (each.low, each.high))
        points.append(Point(_short(x), y, low, high, f"{each.label}: {_text(each, form)}"))
        path.append(f"{'L' if joined else 'M'}{_short(x)} {y}")
        joined = True
    return Chart(
        title,
        _summary(values, form),
        tuple(points),
        (),
        " ".join(path),
        tuple(Label(_y(tick, ticks), format(tick, form)) for tick in ticks),
        _columns([value.label for value in values], slot),
        None if level is None else _y(level, ticks),
    )


def bars(title: str, values: Sequence[tuple[str, int]]) -> Chart:
    """Counts as bars, from left to right.

    Args:
        title: of the chart.
        values: label and count, at least one.
    """
    ticks = _ticks([0.0, *(float(count) for _, count in values)])
    slot, floor_y = (WIDTH - LEFT - RIGHT) / len(values), _y(0.0, ticks)
    drawn = tuple(
        Bar(
            _short(LEFT + slot * (number + 0.15)),
            _y(count, ticks),
            _short(slot * 0.7),
            _short(floor_y - _y(count, ticks)),
            f"{label}: {count:,}",
        )
        for number, (label, count) in enumerate(values)
    )
    total, (most_label, most) = sum(count for _, count in values), max(values, key=lambda entry: entry[1])
    summary = f"{total:,} in all; most on {most_label}: {most:,}." if total else "None."
    rows = tuple(Label(_y(tick, ticks), f"{tick:,.0f}") for tick in ticks if tick == int(tick))
    columns = _columns([label for label, _ in values], slot)
    return Chart(title, summary, (), drawn, "", rows, columns, None)


def _text(each: Measured, form: str) -> str:
    if each.value is None:
        return "not measured"
    interval = "" if each.low is None or each.high is None else f" ({each.low:{form}} to {each.high:{form}})"
    return f"{each.value:{form}}{interval}"


def _summary(values: Sequence[Measured], form: str) -> str:
    known = [value for value in values if value.value is not None]
    first, last = known[0], known[-1]
    told = f"{last.label}: {_text(last, form)}."
    return told if first is last else f"From {first.label}: {_text(first, form)}, to {told}"


def _ticks(values: Sequence[float]) -> list[float]:
    """Round numbers around the values."""
    low, high = min(values), max(values)
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** floor(log10(span / TICKS))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= span / TICKS)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(first, max(last, first + 1) + 1)]


def _y(value: float, ticks: Sequence[float]) -> float:
    share = (value - ticks[0]) / (ticks[-1] - ticks[0])
    return _short(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM))


def _columns(labels: Sequence[str], slot: float) -> tuple[Label, ...]:
    every = ceil(len(labels) / LABELS)
    return tuple(
        Label(_short(LEFT + slot * (number + 0.5)), text) for number, text in enumerate(labels) if number % every == 0
    )


def _short(value: float) -> float:
    return round(value, 1)
