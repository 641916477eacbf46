import sqlite3
from typing import Any

from starlette.testclient import TestClient

from serving.context import Serving


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


def test_a_version_is_found_by_its_name_and_its_number(client: TestClient) -> None:
    for name in ("policy/2", "2"):
        assert client.get(f"/v1/models/{name}").json()["id"] == "policy/2"
    missing = client.get("/v1/models/policy/9")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")
