"""Old answers go by themselves, with their traces and without a byte left in SQLite's log."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from feedback import pairs
from feedback.store import answers
from serving.storage import Storage
from serving.upkeep import Upkeep
from tasks.people import label_filling
from tasks.state import served_answers
from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tests.feedback.examples import chat
from tests.feedback.store.test_answers import answer
from tests.serving.served import until
from tests.serving.traced import files_with, traced
from tests.tasks.people.waiting_round import pair

pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")


def test_answers_older_than_the_retention_are_removed(workspace: Workspace) -> None:
    storage, now = Storage(workspace), datetime.now(UTC)
    old = answer("old", answered_at=now - timedelta(days=8), asked_at=now - timedelta(days=8))
    new = answer("new", answered_at=now - timedelta(days=6), asked_at=now - timedelta(days=6))
    answers.put(storage.database(), [old, new])
    traced(workspace, old, new)
    assert "mlflow.db" in files_with(workspace, "Here is old.")
    assert Upkeep(workspace.root, storage, None).look() == 0
    upkeep = Upkeep(workspace.root, storage, 7)
    upkeep.start()
    until(lambda: answers.find(storage.database(), ["old", "new"]).keys() == {"new"})
    upkeep.close()
    assert files_with(workspace, "Here is old.") == []
    assert files_with(workspace, "Here is new.") == ["data/feedback.db", "mlflow.db"]
    storage.close()


def test_what_was_made_of_old_answers_is_removed_too(
    workspace: Workspace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An item to be labelled, and what a round collected of the prompt; not while a round holds the workspace."""
    storage, old = Storage(workspace), datetime.now(UTC) - timedelta(days=8)
    prompt = chat("Where is the parcel of Ana?")
    given = answer("old", answered_at=old, asked_at=old, prompt=prompt, consent="opt-in")
    answers.put(storage.database(), [given])
    label_filling.add(workspace, "main", label_filling.served(workspace, "demonstration", ["opt-in"]), 1)
    served_answers.write_prompts(workspace, tmp_path / "asked.jsonl", ["opt-in"])
    pairs.write(workspace.answers, [pair(0, "Soon.", "Never.")._replace(prompt=prompt)])
    upkeep = Upkeep(workspace.root, storage, 7)
    with holding(workspace.lock, "a round"):
        assert upkeep.look() == 1
    assert files_with(workspace, "parcel of Ana") == ["data/answers/pairs.jsonl"]
    with caplog.at_level("INFO"):
        assert upkeep.look() == 0
    assert "Removed with the prompts: 1 collected pairs, 0 objects" in caplog.text
    assert files_with(workspace, "parcel of Ana") == []
    storage.close()
