"""Where a workspace has its feedback database."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.errors import Damaged
from feedback import store
from feedback.schema import FeedbackEvent
from feedback.store import arrivals
from tasks.state import feedback_database, intake
from tasks.state.inputs import Inputs
from tasks.state.workspace import Workspace
from tasks.steps.ingest import ingest
from tests.feedback.examples import vote
from tests.tasks.steps.hand_written import Logged, opened

NOW = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(feedback_database.ADDRESS, raising=False)


def test_it_is_a_file_that_the_first_use_creates(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert not feedback_database.exists(workspace)
    with feedback_database.opened(workspace) as db:
        arrivals.put(db, [vote("1")], workspace.feedback, NOW)
    assert feedback_database.exists(workspace)
    assert (tmp_path / "data/feedback.db").exists()
    with feedback_database.opened(workspace) as db:
        assert arrivals.waiting(db, []) == {vote("1").feedback_id}


def test_an_environment_variable_names_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(tmp_path / "workspace")
    monkeypatch.setenv(feedback_database.ADDRESS, f"sqlite:///{tmp_path}/elsewhere.db")
    assert feedback_database.exists(workspace)
    with feedback_database.opened(workspace) as db:
        arrivals.put(db, [vote("1")], workspace.feedback, NOW)
    assert (tmp_path / "elsewhere.db").exists()
    assert not workspace.feedback_database.exists()


def arrive(workspace: Workspace, *events: FeedbackEvent) -> None:
    with feedback_database.opened(workspace) as db:
        arrivals.put(db, events, workspace.feedback, NOW)


def test_without_a_database_nothing_waits_and_none_is_created(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert feedback_database.waiting(workspace) == set()
    assert feedback_database.claim(workspace, 1) is feedback_database.claimable(workspace, 1) is None
    assert not workspace.feedback_database.exists()


def test_a_claim_of_an_opening_that_was_killed_still_waits_and_is_claimed_again(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    arrive(workspace, vote("1"))
    first = feedback_database.claimable(workspace, 0)
    assert feedback_database.claim(workspace, 0) == first
    assert feedback_database.waiting(workspace) == {vote("1").feedback_id}, "no round 0 is finished"
    arrive(workspace, vote("2"))
    assert feedback_database.claim(workspace, 0) == feedback_database.claimable(workspace, 0) != first


def test_ingest_stores_the_events_that_the_round_claimed_once(tmp_path: Path) -> None:
    round, log = opened(tmp_path, ingest={"sources": []}), Logged()
    arrive(round.workspace, vote("1"), vote("2"))
    claimed = replace(round, claim=feedback_database.claim(round.workspace, round.number))
    arrive(round.workspace, vote("3"))
    for _ in range(2):  # killed before its end, the step runs again
        ingest(claimed, log)
        assert log.metrics == {"new": 2, "repeated": 0, "quarantined": 0}
    assert [event.source_id for event in store.events(round.workspace.feedback)] == ["1", "2"]
    assert intake.new_records(round.workspace) == 1


def test_a_database_that_is_not_the_one_of_the_opening_is_damage(tmp_path: Path) -> None:
    round = opened(tmp_path, ingest={"sources": []})
    arrive(round.workspace, vote("1"))
    claimed = replace(round, claim=feedback_database.claim(round.workspace, round.number))
    round.workspace.feedback_database.unlink()
    with pytest.raises(Damaged, match="ROUNDS_FEEDBACK_DATABASE"):
        ingest(claimed, Logged())
    assert store.events(round.workspace.feedback) == []


def test_frozen_inputs_from_before_claims_keep_their_text() -> None:
    base = {"number": 1, "seed": 2, "salt": "s", "base": {"name": "b", "digest": "d"}, "code": "c"}
    before = Inputs.from_json({**base, "feedback": "f", "params": {}})
    assert "claim" not in before.to_yaml()
    assert "claim: null" in before.model_copy(update={"claim": None}).to_yaml()


def test_why_it_cannot_be_used_is_found_without_changing_it(workspace: Workspace) -> None:
    with feedback_database.opened(workspace):
        assert feedback_database.problem(workspace) is None
    workspace.feedback_database.write_bytes(b"no database " * 100)
    said = f"the feedback database {workspace.feedback_database} cannot be used: file is not a database; restore the"
    assert str(feedback_database.problem(workspace)).startswith(said)
    assert workspace.feedback_database.read_bytes() == b"no database " * 100
