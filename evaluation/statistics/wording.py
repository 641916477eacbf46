"""Rates and their intervals as text."""

from evaluation.statistics.intervals import Interval


def percent(share: float) -> str:
    """A share as people read it: 61.2 %."""
    return f"{100 * share:.1f} %"


def spread(rate: Interval, rows: str) -> str:
    """How sure a rate is, and by what: (57.9 to 64.4 %, 512 votes)."""
    return f"({100 * rate.low:.1f} to {percent(rate.high)}, {rate.n} {rows})"
