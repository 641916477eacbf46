"""Where a workspace has its feedback database."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from feedback.store import arrivals
from tasks.state import feedback_database
from tasks.state.workspace import Workspace
from tests.feedback.examples import vote

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
        assert arrivals.waiting(db) == {vote("1").feedback_id}


def test_an_environment_variable_names_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(tmp_path / "workspace")
    monkeypatch.setenv(feedback_database.ADDRESS, f"sqlite:///{tmp_path}/elsewhere.db")
    assert feedback_database.exists(workspace)
    with feedback_database.opened(workspace) as db:
        arrivals.put(db, [vote("1")], workspace.feedback, NOW)
    assert (tmp_path / "elsewhere.db").exists()
    assert not workspace.feedback_database.exists()
