"""Rates and their intervals as text."""

from evaluation.statistics.intervals import Interval


def percent(share: float) -> str:
    """A share in percent: 61.2 %."""
    return f"{100 * share:.1f} %"


def spread(rate: Interval, rows: str) -> str:
    """The interval of a rate and its number of rows: (57.9 to 64.4 %, 512 votes)."""
    return f"({100 * rate.low:.1f} to {percent(rate.high)}, {rate.n} {rows})"
