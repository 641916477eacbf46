"""The server fills the labelling queue `main` by itself."""

import threading
from pathlib import Path

import pytest

from core.files import write_text
from serving import filling
from serving.context import Serving
from serving.filling import LabelFiller
from serving.storage import Storage
from tasks.people import label_filling
from tasks.people.label_settings import LabelSettings
from tasks.state import records
from tasks.state.workspace import Workspace
from tests.serving.served import SETTINGS, until
from tests.tasks.people.test_label_autofill import FIVE, asked, collected, questions, salted


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return salted(tmp_path, "salt")


def items(workspace: Workspace) -> int:
    return sum(state.items for state in label_filling.queues(workspace))


def test_it_fills_at_the_start_and_when_a_round_has_finished(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "EVERY", 0.01)
    storage = Storage(workspace)
    collected(workspace, questions(3))
    filler = LabelFiller(workspace, storage, FIVE)
    filler.start()
    until(lambda: items(workspace) == 3)
    collected(workspace, questions(4), number=2)
    write_text(records.path(workspace, 2), "{}")
    until(lambda: items(workspace) == 4)
    filler.close()
    storage.close()


def test_the_server_starts_and_ends_it(workspace: Workspace) -> None:
    collected(workspace, questions(3))
    serving = Serving.of(workspace, SETTINGS)
    serving.start()
    until(lambda: items(workspace) == 3)
    serving.close()
    assert "filler" not in {thread.name for thread in threading.enumerate()}


def test_answers_in_which_nothing_is_new_are_read_again_after_a_round_or_an_hour(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(workspace)
    filler = LabelFiller(workspace, storage, FIVE)
    collected(workspace, questions(6))
    assert filler.look() == 5
    asked(workspace, 5)
    assert filler.look() == 1, "five were asked, and one more was there"
    collected(workspace, questions(7))
    assert filler.look() == 0
    monkeypatch.setattr(filling, "AGAIN", 0.0)
    assert filler.look() == 1
    storage.close()


def test_with_nothing_to_be_filled_the_database_is_not_opened(workspace: Workspace) -> None:
    collected(workspace, questions(3))
    assert LabelFiller(workspace, Storage(workspace), LabelSettings(fill=())).look() == 0
    assert not workspace.feedback_database.exists()
