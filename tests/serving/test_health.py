from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from feedback.store import keys
from feedback.store.keys import KeyRole
from models import concurrent
from serving.app import create_app
from serving.context import Serving
from serving.latest import Latest
from tasks.registry.alias import Registry
from tasks.state.workspace import Workspace
from tests.serving.hanging import Hanging
from tests.serving.served import PROMPT, SETTINGS, decoder_of, until


def test_a_server_that_answers_is_ready(client: TestClient) -> None:
    assert client.get("/health/live").json() == {"live": True}
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json()) == (
        200,
        {"ready": True, "version": "1", "following": "ok", "database": "ok", "model": "ok"},
    )


def test_a_server_that_cannot_follow_is_ready_and_says_so(
    workspace: Workspace, serving: Serving, client: TestClient
) -> None:
    Registry(workspace.root).store.delete_registered_model_alias("policy", "champion")
    until(lambda: serving.follower.state.problem is not None)
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json()["version"]) == (200, "1")
    assert "the alias policy@champion was removed in MLflow" in ready.json()["following"]
    assert "rounds_serving_following 0.0" in client.get("/metrics").text


def test_a_server_without_its_database_is_not_ready(serving: Serving, client: TestClient) -> None:
    assert client.get("/v1/models").status_code == 200  # there are no keys
    serving.storage.database().write(lambda connection: connection.exec_driver_sql("drop table feedback_keys"))
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json()["ready"]) == (503, False)
    assert "no such table: feedback_keys" in ready.json()["database"]


def test_a_server_whose_database_hangs_says_so_within_seconds(
    serving: Serving, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = Hanging()
    monkeypatch.setattr(serving.storage, "_probe", Latest(hanging, 0.05))
    try:
        for _ in range(3):
            ready = client.get("/health/ready")
            assert (ready.status_code, ready.json()["database"]) == (503, "unavailable")
        assert hanging.asked == 1
    finally:
        hanging.end()


@pytest.mark.parametrize("role", ["operator", "client", None])
def test_once_there_are_keys_only_an_operator_sees_reasons(
    workspace: Workspace, serving: Serving, client: TestClient, role: KeyRole | None
) -> None:
    database = serving.storage.database()
    made = keys.make(database, "boss", role or "operator", datetime.now(UTC))
    headers = {"Authorization": f"Bearer {made}"}
    assert client.get("/v1/models", headers=headers).status_code == 200
    Registry(workspace.root).store.delete_registered_model_alias("policy", "champion")
    until(lambda: serving.follower.state.problem is not None)
    database.write(lambda connection: connection.exec_driver_sql("drop table feedback_keys"))
    ready = client.get("/health/ready", headers=headers if role else {}).json()
    if role == "operator":
        assert "no such table" in ready["database"]
        assert "the alias policy@champion was removed" in ready["following"]
    else:
        assert (ready["database"], ready["following"]) == ("unavailable", "unavailable")
    message = client.get("/v1/models", headers={"Authorization": "Bearer rounds_x"}).json()["error"]["message"]
    assert message == "the feedback database cannot be used now; the server's log says why"


def test_a_server_whose_model_fails_is_not_ready_and_asks_for_its_end(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concurrent, "PAUSE", 0.01)
    reasons: list[str] = []
    serving = Serving.of(workspace, SETTINGS, reasons.append)
    with TestClient(create_app(serving)) as client:
        until(lambda: serving.follower.state.champion == "1")
        with serving.follower.lease("1") as version:
            network: Any = decoder_of(version)._model
            network.model = None  # every forward pass fails
            failed = client.post("/v1/chat/completions", json={"messages": PROMPT})
            assert (failed.status_code, failed.json()["error"]["code"]) == (500, "decoding_failed")
        until(lambda: bool(reasons))
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        assert "the model fails whatever it is asked: 'NoneType'" in ready.json()["model"]
        refused = client.post("/v1/chat/completions", json={"messages": PROMPT})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "model_unavailable")
        assert refused.headers["retry-after"] == "10"
    assert len(reasons) == 1


def test_a_version_that_is_not_champion_and_fails_is_loaded_again(
    serving: Serving, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concurrent, "PAUSE", 0.01)
    asked = {"messages": PROMPT, "model": "2"}
    with serving.follower.lease("2") as version:
        network: Any = decoder_of(version)._model
        network.model = None  # every forward pass fails
        assert client.post("/v1/chat/completions", json=asked).status_code == 500
        until(lambda: decoder_of(version).ended)
        assert client.get("/health/ready").status_code == 200
    until(lambda: serving.follower.state.loaded == ("1",))
    assert client.post("/v1/chat/completions", json=asked).status_code == 200


def test_what_was_answered_is_counted(client: TestClient) -> None:
    body = {"messages": PROMPT, "max_tokens": 3, "seed": 7}
    usage = client.post("/v1/chat/completions", json=body).json()["usage"]
    lines = client.get("/metrics").text.splitlines()
    assert f'rounds_serving_tokens_total{{kind="answer",version="1"}} {usage["completion_tokens"]:.1f}' in lines
    assert f'rounds_serving_tokens_total{{kind="prompt",version="1"}} {usage["prompt_tokens"]:.1f}' in lines
    assert 'rounds_serving_answers_total{finish="length",version="1"} 1.0' in lines
    assert "rounds_serving_first_token_seconds_count 1.0" in lines
    assert 'rounds_serving_version{version="1"} 1.0' in lines
