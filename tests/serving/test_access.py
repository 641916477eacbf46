"""Keys and limits: who is let in, and how often."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from feedback.store import keys
from feedback.store.keys import KeyRole
from serving.access import REMEMBERED, Caller, RequestAllowance
from serving.app import ROUTERS, create_app
from serving.context import Serving
from serving.settings import ServingSettings
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.cures import cures, words
from tests.pages import ROOT
from tests.serving import served
from tests.serving.served import PROMPT

DOCS = ROOT / "docs/serving.md"
CHAT = {"messages": PROMPT, "max_tokens": 1}


def key(serving: Serving, name: str, role: KeyRole) -> dict[str, str]:
    """The header with a new key."""
    return {"Authorization": f"Bearer {keys.make(serving.storage.database(), name, role, datetime.now(UTC))}"}


@pytest.fixture
def client(serving: Serving) -> Iterator[TestClient]:
    with TestClient(create_app(serving)) as opened:
        yield opened


def test_without_any_key_the_server_is_open(serving: Serving, client: TestClient) -> None:
    served.ready(serving)
    assert client.post("/v1/chat/completions", json=CHAT).status_code == 200
    assert client.get("/metrics").status_code == 200


def test_once_there_is_a_key_each_request_needs_one(serving: Serving, client: TestClient) -> None:
    served.ready(serving)
    own = key(serving, "shop", "client")
    for wrong in ({}, {"Authorization": "Bearer rounds_x"}, {"Authorization": "Basic YTpi"}):
        response = client.post("/v1/chat/completions", json=CHAT, headers=wrong)
        assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
    assert client.post("/v1/chat/completions", json=CHAT, headers=own).status_code == 200
    assert client.get("/health/live").status_code == 200


def test_the_routes_without_a_key_are_those_of_the_docs(serving: Serving, client: TestClient) -> None:
    key(serving, "shop", "client")
    routes = {(method, route.path) for router in ROUTERS for route in _routes(router) for method in route.methods or ()}
    unlocked = {
        path
        for method, path in routes | {("GET", "/openapi.json")}
        if client.request(method, _filled(path), follow_redirects=False).status_code in (200, 503)
    }
    assert unlocked == {"/health/live", "/health/ready", "/openapi.json", "/thumbs.js", "/assets/{name}", "/login"}
    [sentence] = re.findall("(?s)These need none: (.*?) Pages need", DOCS.read_text(encoding="utf-8"))
    assert {path.replace("{name}", "…") for path in unlocked} == set(re.findall("`(.+?)`", sentence))


def _filled(path: str) -> str:
    return path.replace("{name}", "pages.css").replace("{number}", "1").replace("{model:path}", "champion")


def _routes(router: APIRouter) -> list[APIRoute]:
    return [route for route in router.routes if isinstance(route, APIRoute)]


@cures("serving.access.Gatekeeper.admit: rounds keys make NAME --role client")
def test_the_error_says_how_a_key_is_made(
    rounds: Rounds, workspace: Workspace, serving: Serving, client: TestClient
) -> None:
    key(serving, "boss", "operator")
    message = client.get("/v1/models").json()["error"]["message"]
    typed = words(message, "rounds keys make", NAME="shop")
    made = rounds(*typed[1:], "-w", workspace.root).out.strip()
    assert client.get("/v1/models", headers={"Authorization": f"Bearer {made}"}).status_code == 200


def test_a_revoked_key_is_refused_in_seconds(serving: Serving, client: TestClient) -> None:
    own = key(serving, "shop", "client")
    assert client.get("/v1/models", headers=own).status_code == 200
    keys.revoke(serving.storage.database(), "shop", datetime.now(UTC))
    known = serving.gatekeeper._known
    serving.gatekeeper._known = {text: (at - REMEMBERED, caller) for text, (at, caller) in known.items()}
    assert client.get("/v1/models", headers=own).status_code == 401


@pytest.mark.parametrize(("role", "status"), [("client", 403), ("annotator", 403), ("operator", 200)])
def test_metrics_are_for_operators(serving: Serving, client: TestClient, role: KeyRole, status: int) -> None:
    assert client.get("/metrics", headers=key(serving, "ana", role)).status_code == status


def test_a_rejected_version_is_for_operators(serving: Serving, client: TestClient) -> None:
    served.ready(serving)
    own, operator = key(serving, "shop", "client"), key(serving, "boss", "operator")
    asked = {**CHAT, "model": "policy/3"}
    response = client.post("/v1/chat/completions", json=asked, headers=own)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "version_refused")
    assert client.post("/v1/chat/completions", json=asked, headers=operator).status_code == 200
    assert client.post("/v1/chat/completions", json={**asked, "model": "2"}, headers=own).status_code == 200


def test_an_annotator_speaks_for_nobody_else(serving: Serving, client: TestClient) -> None:
    record: dict[str, Any] = {"prompt": "Is it open?", "chosen": "Yes.", "rejected": "No.", "user": "bo"}
    response = client.post("/v1/feedback", json={"feedback": [record]}, headers=key(serving, "ana", "annotator"))
    assert "the key is that of one annotator" in response.json()["results"][0]["reason"]


@pytest.mark.parametrize(("role", "status"), [("client", 200), ("annotator", 403), ("operator", 403)])
def test_only_an_application_names_its_users(serving: Serving, client: TestClient, role: KeyRole, status: int) -> None:
    served.ready(serving)
    own = key(serving, "shop", role)
    named = client.post("/v1/chat/completions", json={**CHAT, "user": "bo"}, headers=own)
    assert named.status_code == status
    if status == 403:
        assert named.json()["error"]["param"] == "user"
        unnamed = client.post("/v1/chat/completions", json=CHAT, headers=own)
        assert unnamed.status_code == 200
    record: dict[str, Any] = {"prompt": "Is it open?", "chosen": "Yes.", "rejected": "No.", "user": "bo"}
    result = client.post("/v1/feedback", json={"feedback": [record]}, headers=own).json()
    assert result["refused"] == (status == 403)


def test_users_of_two_applications_are_different_people() -> None:
    assert Caller("shop", "client").annotator("ana") == "shop:ana"
    assert Caller("app", "client").annotator("ana") == "app:ana"
    assert Caller("shop", "client").annotator(None) == "shop"
    assert (Caller("shop", "client").annotator_type, Caller("ana", "annotator").annotator_type) == ("user", "human")


def test_an_allowance_fills_again() -> None:
    allowance = RequestAllowance(a_minute=2, now=0.0)
    assert [allowance.take(now) for now in (0.0, 0.0, 0.0)] == [None, None, 30]
    assert [allowance.take(now) for now in (29.0, 30.0, 45.0)] == [1, None, 15]
    assert [allowance.take(500.0) for _ in range(3)] == [None, None, 30]


def test_too_many_requests_are_told_how_long_to_wait(workspace: Workspace) -> None:
    serving = Serving.of(workspace, ServingSettings(requests_per_minute=2))
    with TestClient(create_app(serving)) as client:
        statuses = [client.get("/v1/models").status_code for _ in range(3)]
        response = client.get("/v1/models")
        assert client.get("/health/live").status_code == 200
    assert statuses[-1] == 429
    assert response.json()["error"]["type"] == "rate_limit_error"
    assert 1 <= int(response.headers["retry-after"]) <= 30
