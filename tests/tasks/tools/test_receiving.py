"""Single events are durable when they are acknowledged; the guards and the next opening see them."""

from pathlib import Path

import pytest

from core.errors import BadParams, BadWorkspace
from feedback.store.database import NoDatabase
from tasks.state import feedback_database, identity, intake, tombstones
from tasks.state.workspace import Workspace
from tasks.tools.receiving import receive
from tests.feedback.examples import vote


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(feedback_database.ADDRESS, raising=False)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "workspace")
    workspace.data.mkdir(parents=True)
    workspace.params.write_text("ingest: {threshold: 2}\n")
    return workspace


def test_an_event_is_stored_once_and_waits(workspace: Workspace) -> None:
    assert receive(workspace, [vote("1")], "bo")[:4] == (1, 0, (), 0)
    assert receive(workspace, [vote("1"), vote("2")], "bo")[:4] == (1, 1, (), 0)
    assert [event.source_id for event in intake.waiting_events(workspace)] == ["1", "2"]
    assert intake.new_records(workspace) == 2


def test_what_a_forgotten_annotator_sends_is_not_stored(workspace: Workspace) -> None:
    receive(workspace, [vote("1")], "ana")
    tombstones.add(workspace, "ana", "bo", "asked", (), ())
    assert receive(workspace, [vote("2", annotator_id="bo")], "ana")[:4] == (0, 0, (), 1)
    assert receive(workspace, [vote("3", annotator_id="ana")], "bo")[:4] == (1, 0, (), 0)
    assert [event.source_id for event in intake.waiting_events(workspace)] == ["3"], "the first one is left out"


def test_a_database_that_does_not_answer_acknowledges_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.feedback_database.write_text("no database " * 100)
    with pytest.raises(NoDatabase):
        receive(workspace, [vote("1")], "bo")


def test_params_that_cannot_be_read_store_nothing(workspace: Workspace) -> None:
    workspace.params.write_text("ingest: {threshold: none}\n")
    with pytest.raises(BadParams):
        receive(workspace, [vote("1")], "bo")
    assert not feedback_database.exists(workspace)


def test_two_workspaces_do_not_take_events_of_each_other(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(feedback_database.ADDRESS, f"sqlite:///{tmp_path}/shared.db")
    receive(workspace, [vote("1")], "bo")
    other = Workspace(tmp_path / "other")
    other.data.mkdir(parents=True)
    other.params.write_text("")
    with pytest.raises(BadWorkspace, match="belongs to another workspace"):
        receive(other, [vote("2")], "bo")
    with pytest.raises(BadWorkspace, match=identity.made(workspace).id):
        feedback_database.claim(other, 0)
    assert len(intake.waiting_events(workspace)) == 1
    other.identity.write_text(workspace.identity.read_text())  # as the message says: it replaces the first
    assert receive(other, [vote("2")], "bo").new == 1
