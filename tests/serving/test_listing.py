import sqlite3
import time
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving import versions
from serving.context import Serving
from tests.serving.hanging import Hanging
from tests.serving.served import PROMPT


class Away:
    """MLflow whose database cannot be opened."""

    def __getattr__(self, name: str) -> Any:
        raise sqlite3.OperationalError("unable to open database file")


def test_without_the_registry_what_is_in_memory_is_listed(serving: Serving, client: TestClient) -> None:
    names = ["champion", "policy/3", "policy/2", "policy/1"]
    assert [model["id"] for model in client.get("/v1/models").json()["data"]] == names
    registry: Any = serving.follower._registry
    registry.store = Away()
    assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["champion", "policy/1"]


class Silent:
    """MLflow that is asked and never answers, until it is ended."""

    def __init__(self) -> None:
        self.hanging = Hanging()

    def __getattr__(self, name: str) -> Any:
        return self.hanging()


def test_no_request_waits_for_a_registry_that_hangs(
    serving: Serving, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "ANSWERED", 0.2)
    registry, silent = serving.follower._registry, Silent()
    monkeypatch.setattr(registry, "store", silent)
    try:
        began = time.monotonic()
        for _ in range(2):
            assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["champion", "policy/1"]
        refused = client.post("/v1/chat/completions", json={"messages": PROMPT, "model": "2", "max_tokens": 2})
        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == (503, "version_unavailable")
        assert "MLflow's registry has not answered" in error["message"]
        for name in ("champion", "1"):
            body = {"messages": PROMPT, "model": name, "max_tokens": 2}
            assert client.post("/v1/chat/completions", json=body).status_code == 200
        assert time.monotonic() - began < 30
    finally:
        silent.hanging.end()


def test_a_version_is_found_by_its_name_and_its_number(client: TestClient) -> None:
    for name in ("policy/2", "2"):
        assert client.get(f"/v1/models/{name}").json()["id"] == "policy/2"
    missing = client.get("/v1/models/policy/9")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")
