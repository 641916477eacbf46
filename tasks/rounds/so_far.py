"""What the open round has found so far: the results of the steps that have ended."""

from typing import NamedTuple

from core.files import read_json
from core.stored import Json
from evaluation.verdict import Finding, Verdict
from tasks.state import records, reports
from tasks.state import round as rounds
from tasks.state.reports import EvaluateReport, Example, Numbers, Seconds
from tasks.state.steps import MEASURING
from tasks.state.workspace import Workspace


class OpenRoundResults(NamedTuple):
    """The results of the open round."""

    number: int
    times: dict[str, Seconds]
    """By step; only steps that have ended."""
    metrics: Numbers
    """Of these steps, by step and name: `evaluate/win_rate`."""
    findings: tuple[Finding, ...]
    """Of the gates; empty before the step `verdict` has ended."""
    examples: tuple[Example, ...]
    """Answers to held-out prompts; empty before the step `evaluate` has ended."""

    def to_json(self) -> Json:
        """The results as JSON values, with the names that a record has."""
        return {
            "number": self.number,
            "finished": None,
            "times": {step: seconds.to_json() for step, seconds in self.times.items()},
            "metrics": dict(self.metrics),
            "verdict": Verdict(findings=self.findings).to_json() if self.findings else None,
            "examples": [example.to_json() for example in self.examples],
        }


def read(workspace: Workspace) -> OpenRoundResults | None:
    """The results so far; None if no round is open.

    Raises:
        Damaged: a file of the round is incomplete or invalid.
    """
    if not records.unfinished(workspace):
        return None
    opened = rounds.read(workspace)
    times = reports.times(opened)
    verdict, evaluated = workspace.report("verdict"), workspace.report("evaluate")
    return OpenRoundResults(
        opened.number,
        times,
        # reports of other steps are those of the round before
        reports.metrics(opened, [step for step in MEASURING if step in times]),
        Verdict.from_json(read_json(verdict)).findings if "verdict" in times and verdict.exists() else (),
        EvaluateReport.load(evaluated).examples if "evaluate" in times and evaluated.exists() else (),
    )
