"""The audit log is complete and unaltered, and agrees with the records of rounds and with the registry."""

import re
from collections.abc import Iterator

from tasks.doctor.diagnosis import Diagnosis, Severity, error, note, path
from tasks.registry import consistency, unloaded
from tasks.registry.consistency import Disagreement
from tasks.registry.reading import MirrorReading
from tasks.state import records
from tasks.state.workspace import Workspace
from tasks.tools import tracking
from tasks.tools.mlflow_reading import Unreadable

_REASON = "--reason 'found by rounds doctor'"


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """Damaged and missing lines, and everything in which log, its copy in MLflow, records and registry disagree.

    Raises:
        Unreadable: MLflow cannot be read; the lines of the log are checked all the same.
    """
    torn = workspace.audit.with_name(f"{workspace.audit.name}.torn")
    if torn.exists():
        yield note(f"{torn} has a line that a killed process did not finish; the log itself is complete")
    if not tracking.exists(workspace.root) and not records.numbers(workspace):
        for problem in consistency.problems(workspace):
            yield error(f"{problem}; restore the log and its .head file from a backup")
        return
    try:
        disagreements = unloaded.differences(workspace)
    except Unreadable:
        for problem in consistency.problems(workspace):
            yield error(problem)
        raise
    for each in disagreements:
        yield Diagnosis(Severity(each.severity), _text(each), _command(workspace, each))


def _text(disagreement: Disagreement) -> str:
    """The problem, with the ways to mend it that are better than the command, or stand for one."""
    if not _commands(disagreement):
        return str(disagreement)
    backups = [cure for cure in disagreement.cures if "`rounds restore" in cure]
    return "; or ".join([disagreement.problem, *backups]).replace("; or ", "; ", 1)


def _command(workspace: Workspace, disagreement: Disagreement) -> str | None:
    """The first command among the cures, as it is typed. Which backup to restore is for a person to say."""
    command = next(iter(_working(workspace, _commands(disagreement))), None)
    return command and f"{command.replace('--reason …', _REASON)} -w {path(workspace.root)}"


def _working(workspace: Workspace, commands: list[str]) -> Iterator[str]:
    """Without commands that would be refused: they write back lines that nobody signed or that MLflow lacks."""
    copy = MirrorReading(workspace)
    for command in commands:
        restores, unverified = command.startswith("rounds audit restore"), command.endswith("--unverified")
        if not restores or (copy.own() and (unverified or copy.is_signed())):
            yield command


def _commands(disagreement: Disagreement) -> list[str]:
    return [command for cure in disagreement.cures for command in re.findall("`(rounds (?!restore)[^`]+)`", cure)]
