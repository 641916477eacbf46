"""The database of the server: opened when it is there."""

import asyncio

import pytest

from feedback.store import keys
from serving.errors import ApiError
from serving.storage import Storage
from tasks.state.workspace import Workspace


def test_a_database_that_was_away_is_opened_when_it_is_back(workspace: Workspace) -> None:
    workspace.feedback_database.mkdir()
    storage = Storage(workspace)
    for _ in range(2):
        with pytest.raises(ApiError, match="the feedback database cannot be used") as refused:
            storage.run_here(keys.exist)
        assert (refused.value.status, refused.value.code) == (503, "no_database")
    assert "unable to open database file" in str(asyncio.run(storage.problem()))
    workspace.feedback_database.rmdir()
    storage._failed = None  # else the next attempt is in two seconds
    assert storage.run_here(keys.exist) is False
    assert asyncio.run(storage.problem()) is None
    storage.close()
