"""The drift checks of a round, with their words while its report is there."""

from pathlib import Path

from evaluation.drift.report import CheckedEffect, DriftReport
from evaluation.verdict import Verdict
from tasks.pages import drift_checks
from tasks.pages.drift_checks import RecordedCheck
from tasks.state.records import RoundRecord
from tasks.state.workspace import Workspace
from tests.tasks.rounds.open_round import opened
from tests.tasks.state.recorded import record

NUMBERS = {"drift/judge_gap": 0.1, "drift/judge_gap_p": 0.7, "drift/judge_gap_alarm": 0.0, "drift/alarms": 1.0}
RISE = {"drift/kl_rise": 7.0, "drift/kl_rise_p": 0.001, "drift/kl_rise_alarm": 1.0}
SAID = CheckedEffect(
    name="kl_rise", effect=7.0, limit=2.0, p=0.001, said="KL rose by 7", look="the rewards", alarm=True
)


def measured(number: int) -> RoundRecord:
    return record(number, "2", Verdict()).model_copy(update={"metrics": NUMBERS | RISE})


def test_alarms_come_first_with_the_words_of_the_report(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.data.mkdir()
    opened(workspace, 2)
    workspace.reports.mkdir(parents=True, exist_ok=True)
    DriftReport(checks=(SAID,)).save(workspace.report("drift"))
    assert drift_checks.of(workspace, measured(2)) == [
        RecordedCheck("KL rise", 7.0, 0.001, True, SAID),
        RecordedCheck("Judge gap", 0.1, 0.7, False, None),
    ]
    [rise, _] = drift_checks.of(workspace, measured(1))
    assert rise == RecordedCheck("KL rise", 7.0, 0.001, True, None), "the report is that of round 2"


def test_a_round_that_had_nothing_to_compare_with_has_none(tmp_path: Path) -> None:
    assert drift_checks.of(Workspace(tmp_path), record(1, "1", Verdict())) == []
