"""Gates that a candidate has to pass: one file per gate. `use: win_rate` loads `evaluation/gates/win_rate.py`."""

from abc import abstractmethod

from core.plugins import Plugin
from evaluation.verdict import Finding, GateInputs, Result


class Gate(Plugin):
    """One condition of a promotion."""

    @abstractmethod
    def check(self, inputs: GateInputs) -> Finding:
        """Promote, hold or reject, with the reason. If a metric was not measured, a gate must not promote."""

    def finding(self, result: Result, reason: str, **numbers: float) -> Finding:
        """A finding of this gate."""
        return Finding(gate=self.name(), result=result, reason=reason, numbers=numbers)
