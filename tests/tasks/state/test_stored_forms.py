"""Records, inputs and reports written by version 0.1.0 are read by today's code without loss."""

import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.errors import BadWorkspace
from core.files import read_json, write_json
from evaluation.drift.report import DriftReport
from evaluation.verdict import Verdict
from tasks.people.approval import ApprovalDecision
from tasks.people.waiting import Candidate, VotesNeeded, Wait
from tasks.state import records, reports
from tasks.state import round as rounds
from tasks.state.inputs import Champion
from tasks.state.reports import CurateReport, EvaluateReport, RewardReport, StepReport
from tasks.state.workspace import Workspace
from tests.tasks.state.recorded import record

ARCHIVE = Path(__file__).parents[2] / "upgrade/rounds-0.1.0.tar.xz"
STORED = ("./data/rounds/", "./data/reports/", "./data/round.yaml", "./data/opened.json", "./data/metrics/times.json")

REPORTS: Mapping[str, type[StepReport | DriftReport]] = {
    "collect": StepReport,
    "curate": CurateReport,
    "reward": RewardReport,
    "policy": StepReport,
    "evaluate": EvaluateReport,
    "drift": DriftReport,
}


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Round 0 and round 1 promoted, round 2 on hold, without models."""
    root = tmp_path_factory.mktemp("old")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(root, [member for member in archive if member.name.startswith(STORED)], filter="data")
    return Workspace(root)


def without_format(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "format"}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_record_survives_a_round_trip(old: Workspace, number: int, tmp_path: Path) -> None:
    record, copy = records.read(old, number), Workspace(tmp_path)
    records.write(copy, record)
    text = records.path(copy, number).read_text(encoding="utf-8")
    assert text.replace('  "format": 1,\n', "").replace('    "written": null,\n', "") == records.path(
        old, number
    ).read_text(encoding="utf-8")


def test_a_record_is_typed(old: Workspace) -> None:
    zero, _, two = (records.read(old, number) for number in records.numbers(old))
    assert (zero.verdict, zero.verdict.result, zero.batch) == (Verdict(bootstrap=True), "promote", None)
    assert (two.verdict.result, two.verdict.findings[0].gate) == ("hold", "win_rate")
    assert two.inputs.champion == Champion(
        version="2", digest="41cd6e0f348dab16a546edf4b84d4059da22be245bbf04f607aae819015aa468"
    )
    assert (two.opened.commit, two.new_feedback) == ("163df196a833c7bcadc344b81f8dcde2a528b336", 233)
    assert two.times["policy"].wall == pytest.approx(1.0545, abs=1e-4)
    assert two.inputs.params["policy"]["steps"] == 4


def test_the_inputs_are_the_same_bytes_again_and_give_the_same_key(old: Workspace) -> None:
    text, newest = old.round.read_text(encoding="utf-8"), records.read(old, 2)
    assert rounds.inputs(old).to_yaml() == text == records.inputs(old, 2)
    assert rounds.key(old, rounds.circumstances(old).code) == newest.key
    assert rounds.circumstances(old) == newest.opened


def test_an_unknown_input_is_preserved(old: Workspace) -> None:
    inputs = rounds.inputs(old)
    values = yaml.safe_load(inputs.to_yaml()) | {"moon": "full"}
    assert yaml.safe_load(inputs.from_json(values).to_yaml())["moon"] == "full"


@pytest.mark.parametrize("step", REPORTS)
def test_a_report_loses_nothing(old: Workspace, step: str) -> None:
    path = old.report(step)
    assert without_format(REPORTS[step].load(path).to_json()) == read_json(path)


def test_a_verdict_and_times_lose_nothing(old: Workspace) -> None:
    verdict = read_json(old.report("verdict"))
    assert Verdict.from_json(verdict).to_json() == verdict
    durations = reports.times(rounds.read(old))
    assert {name: seconds.to_json() for name, seconds in durations.items()} == read_json(old.times)


def test_old_waits_and_decisions_are_read() -> None:
    times = {"opened": "2026-01-01", "since": "2026-01-01", "until": "2026-01-02"}
    votes = Wait.from_json({"what": "votes", "round": 3, **times, "about": {"votes": 20}, "flow_run": None})
    assert votes.about == VotesNeeded(votes=20)
    about = {"key": "ab", "candidate": "cd"}
    assert Wait.from_json({"what": "approval", "round": 3, **times, "about": about}).about == Candidate(**about)
    decision = {"round": 3, **about, "approve": True, "by": "ana", "why": "good", "at": "2026-01-01"}
    assert without_format(ApprovalDecision.from_json(decision).to_json()) == decision


def test_a_record_of_a_later_version_is_refused(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    write_json(records.path(workspace, 0), {**record(0, "1", Verdict()).to_json(), "format": 2})
    with pytest.raises(BadWorkspace, match="version 2"):
        records.read(workspace, 0)
