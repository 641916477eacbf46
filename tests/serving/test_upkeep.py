"""Old answers go by themselves."""

from datetime import UTC, datetime, timedelta

from feedback.store import answers
from serving.storage import Storage
from serving.upkeep import Upkeep
from tasks.state.workspace import Workspace
from tests.feedback.store.test_answers import answer
from tests.serving.served import until


def test_answers_older_than_the_retention_are_removed(workspace: Workspace) -> None:
    storage, now = Storage(workspace), datetime.now(UTC)
    old = answer("old", answered_at=now - timedelta(days=8))
    answers.put(storage.database(), [old, answer("new", answered_at=now - timedelta(days=6))])
    assert Upkeep(storage, None).look() == 0
    upkeep = Upkeep(storage, 7)
    upkeep.start()
    until(lambda: answers.find(storage.database(), ["old", "new"]).keys() == {"new"})
    upkeep.close()
    storage.close()
