"""The drift checks of a finished round: numbers from its record, and what they say while its report is still there."""

from typing import NamedTuple

from evaluation.drift.report import CheckedEffect, DriftReport
from tasks.pages.drift import check_title
from tasks.state import round as rounds
from tasks.state.records import RoundRecord
from tasks.state.workspace import Workspace

_STEP, _ALARM = "drift/", "_alarm"


class RecordedCheck(NamedTuple):
    """A drift check of one round."""

    title: str
    effect: float
    p: float
    """Holm-adjusted for the number of checks."""
    alarm: bool
    report: CheckedEffect | None
    """What the check found as a sentence, its limit, and what to inspect; None once a later round has been opened."""


def of(workspace: Workspace, record: RoundRecord) -> list[RecordedCheck]:
    """The checks of a round, alarms first; empty if it had nothing to compare with.

    Raises:
        Damaged: the report of the round is incomplete or invalid.
    """
    known = {check.name: check for check in _reported(workspace, record)}
    found = [
        RecordedCheck(
            check_title(name),
            record.metrics[f"{_STEP}{name}"],
            record.metrics[f"{_STEP}{name}_p"],
            record.metrics[f"{_STEP}{name}{_ALARM}"] > 0,
            known.get(name),
        )
        for name in _names(record)
    ]
    return sorted(found, key=lambda check: not check.alarm)


def _names(record: RoundRecord) -> list[str]:
    ending = len(_ALARM)
    own = (name.removeprefix(_STEP) for name in record.metrics if name.startswith(_STEP))
    return [name[:-ending] for name in own if name.endswith(_ALARM)]


def _reported(workspace: Workspace, record: RoundRecord) -> tuple[CheckedEffect, ...]:
    """The checks of the report in the workspace, which is that of the round that was opened last."""
    path = workspace.report("drift")
    if not path.exists() or not workspace.round.exists() or rounds.read(workspace).number != record.number:
        return ()
    return DriftReport.load(path).checks
