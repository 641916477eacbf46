"""The database of the server: opened when it is there."""

import asyncio
import time
from typing import Any

import pytest
from starlette.testclient import TestClient

from feedback.store import keys
from serving.context import Serving
from serving.errors import ApiError
from serving.storage import THREADS, Storage
from tasks.state.workspace import Workspace
from tests.serving.hanging import Hanging
from tests.serving.served import PROMPT


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


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/models", None),
        ("POST", "/v1/chat/completions", {"messages": PROMPT, "max_tokens": 2}),
        ("POST", "/v1/feedback", {"feedback": [{"prompt": "Open?", "chosen": "Yes.", "rejected": "No."}]}),
        ("GET", "/login", None),
    ],
)
def test_no_request_waits_for_a_database_that_hangs(
    serving: Serving, client: TestClient, monkeypatch: pytest.MonkeyPatch, method: str, path: str, body: Any
) -> None:
    hanging = Hanging()
    monkeypatch.setattr(serving.storage, "database", hanging)
    monkeypatch.setattr(serving.storage, "_longest", 0.2)
    try:
        began = time.monotonic()
        for _ in range(THREADS + 2):  # also once every thread hangs
            answer = client.request(method, path, json=body)
            assert answer.status_code == 503
            assert "the feedback database has not answered for 0 s" in answer.text
        assert time.monotonic() - began < 60
    finally:
        hanging.end()
    monkeypatch.undo()
    assert client.get("/v1/models").status_code == 200
