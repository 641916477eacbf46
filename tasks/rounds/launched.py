"""How a step is run: in this process, or in several, which this one starts, and whose reports it passes on."""

import importlib
import json
import shutil
from collections.abc import Mapping

from core.errors import RoundsError
from core.stored import Value
from models import launching, token_counts
from models.launching import LaunchSettings, RankFailed
from tasks import steps
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.workspace import Workspace
from tasks.steps import Step

PACKAGES = ("core", "evaluation", "feedback", "models", "tasks")
"""Those that define errors which steps raise; nothing else is imported because another process names it."""


PROGRAM = "tasks.rounds.rank"
"""The program of a rank."""


class RankReport(Value):
    """What the first rank reports."""

    sampled: int
    trained: int
    """Tokens so far, of all ranks together (`models.token_counts`)."""
    learning: float
    """Seconds of training so far."""
    memory: int
    """The highest resident memory of this process so far, in bytes."""
    metrics: Mapping[str, float] = {}
    step: int | None = None
    """The step of the training, from 0; None at the end."""
    total: int | None = None


def settings(round: Round, step: str) -> LaunchSettings:
    """In how many processes a step runs; one is this one. Rounds may be older than the knobs."""
    return LaunchSettings.model_validate((round.values.get(step) or {}).get("launch") or {})


def arguments(workspace: Workspace, step: str) -> list[str]:
    """Those of the program of a rank."""
    return [step, str(workspace.root)]


def run(step: Step, round: Round, log: StepLog) -> None:
    """Run a step in as many processes as its knobs say.

    Raises:
        Exception: that of the step, if it runs in this process.
        RoundsError: the error of the process that failed first, if a user can correct it.
        RankFailed: any other.
    """
    name = step.__name__
    how = settings(round, name)
    if how.ranks == 1:
        steps.run(step, round, log)
        return
    folder = round.workspace.ranks(name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    hearing = _Hearing(log)
    try:
        launching.launch(how, PROGRAM, arguments(round.workspace, name), folder, hearing)
    except RankFailed as error:
        raise _of_ours(error) from None


class _Hearing:
    """Passes reports on to the log of the step."""

    def __init__(self, log: StepLog) -> None:
        self._log = log
        self._sampled = self._trained = 0

    def __call__(self, line: str) -> None:
        report = RankReport.from_json(json.loads(line))
        token_counts.count_sampled(report.sampled - self._sampled)
        token_counts.count_trained(report.trained - self._trained)
        self._sampled, self._trained = report.sampled, report.trained
        self._log.note_rank(report.learning, report.memory)
        if report.step is not None:
            self._log(report.metrics, report.step, report.total)


def _of_ours(error: RankFailed) -> Exception:
    """The error itself if it is one that a user can correct; a failed process otherwise."""
    failure = error.failure
    return error_of(failure.module, failure.kind, failure.message) or error


def error_of(module: str, kind: str, message: str) -> RoundsError | None:
    """The error of another process if it is one that a user can correct; None if it is another, or if it was killed.

    Args:
        module: of its class; empty if there is none.
        kind: the name of its class.
        message: its message.
    """
    found = getattr(importlib.import_module(module), kind, None) if module.partition(".")[0] in PACKAGES else None
    return found(message) if isinstance(found, type) and issubclass(found, RoundsError) else None
