from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.files import digest
from evaluation.verdict import Verdict
from tasks.people import waiting
from tasks.people.waiting import VotesNeeded
from tasks.state import records
from tasks.state.opening_facts import OpeningFacts
from tasks.state.round import code_digest
from tasks.state.workspace import Workspace
from tests.tasks.doctor.cures import diagnoses
from tests.tasks.people.waiting_round import opened
from tests.tasks.state.recorded import record


@pytest.fixture
def open_round(tmp_path: Path) -> Workspace:
    """A workspace in which this code opened round 3."""
    workspace = opened(tmp_path)
    at, inputs = datetime.now(UTC).isoformat(), digest(workspace.round)
    OpeningFacts(request="", code=code_digest(), inputs=inputs, at=at, commit=None, dirty=False).save(workspace.opened)
    return workspace


def test_an_interrupted_round_is_noted(open_round: Workspace) -> None:
    [found] = diagnoses("open_round", open_round)
    assert (found.severity, found.cure) == ("note", f"rounds round -w {open_round.root}")
    records.write(open_round, record(3, "4", Verdict()))
    assert [found.text for found in diagnoses("open_round", open_round)] == ["there is no record of round 0, 1, 2"]


@pytest.mark.parametrize("damage", ["round", "opened", "code"])
def test_a_damaged_round_is_reopened(open_round: Workspace, damage: str) -> None:
    if damage == "code":
        facts = OpeningFacts.load(open_round.opened)
        facts.model_copy(update={"code": "0" * 16}).save(open_round.opened)
    else:
        file: Path = getattr(open_round, damage)
        file.write_text(file.read_text()[:40])
    [found] = diagnoses("open_round", open_round)
    assert found.severity == ("warning" if damage == "code" else "error")
    assert found.cure == f"rounds round --reopen -w {open_round.root}"


@pytest.mark.parametrize(("seconds", "severity"), [(3600, "note"), (-1, "warning")])
def test_a_wait_past_its_deadline(open_round: Workspace, seconds: float, severity: str) -> None:
    waiting.begin(open_round, "votes", seconds, VotesNeeded(votes=8))
    [found] = diagnoses("open_round", open_round)
    assert (found.severity, "0 of 8 are in" in found.text) == (severity, True)


def test_a_record_that_cannot_be_read(open_round: Workspace) -> None:
    records.write(open_round, record(3, "4", Verdict()))
    records.path(open_round, 3).write_text("{")
    assert diagnoses("open_round", open_round)[0].severity == "error"
