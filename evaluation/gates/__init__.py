"""What a candidate has to pass: one file a gate. `use: win_rate` loads `evaluation/gates/win_rate.py`."""

from abc import abstractmethod

from core.plugins import Plugin
from evaluation.verdict import Finding, GateInputs, Result


class Gate(Plugin):
    """One question that a candidate has to answer before it is promoted."""

    @abstractmethod
    def check(self, evidence: GateInputs) -> Finding:
        """Promote, hold or reject, and why. What was not measured is no reason to promote."""

    def found(self, result: Result, reason: str, **numbers: float) -> Finding:
        """A finding of this gate."""
        return Finding(gate=self.name(), result=result, reason=reason, numbers=numbers)
