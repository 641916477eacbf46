"""Old answers go by themselves, with their traces and without a byte left in SQLite's log."""

from datetime import UTC, datetime, timedelta

import pytest

from feedback.store import answers
from serving.storage import Storage
from serving.upkeep import Upkeep
from tasks.state.workspace import Workspace
from tests.feedback.store.test_answers import answer
from tests.serving.served import until
from tests.serving.traced import files_with, traced

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
