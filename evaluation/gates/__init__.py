"""What a candidate has to pass: one file a gate. `use: win_rate` loads `evaluation/gates/win_rate.py`."""

from abc import abstractmethod

from core.plugins import Plugin
from evaluation.statistics.intervals import Interval
from evaluation.verdict import Evidence, Finding, Result


class Gate(Plugin):
    """One question that a candidate has to answer before it is promoted."""

    @abstractmethod
    def check(self, evidence: Evidence) -> Finding:
        """Promote, hold or reject, and why. What was not measured is no reason to promote."""

    def found(self, result: Result, reason: str, **numbers: float) -> Finding:
        """A finding of this gate."""
        return Finding(gate=self.name(), result=result, reason=reason, numbers=numbers)


def percent(share: float) -> str:
    """A share as people read it: 61.2 %."""
    return f"{100 * share:.1f} %"


def spread(rate: Interval, rows: str) -> str:
    """How sure a rate is, and by what: (57.9 to 64.4 %, 512 votes)."""
    return f"({100 * rate.low:.1f} to {percent(rate.high)}, {rate.n} {rows})"
