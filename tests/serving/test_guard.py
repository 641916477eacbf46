"""What every request passes, and what every response carries."""

import logging
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from httpx2 import Client
from starlette.testclient import TestClient

from serving.app import create_app
from serving.context import Serving
from serving.guard import FORM, HEADERS, JSON, LOOPBACK
from serving.pages.frame import is_page
from serving.settings import ServingSettings
from tasks.state.workspace import Workspace
from tests.serving.pages.label_tasks import said
from tests.serving.served import listening, until


@pytest.fixture
def client(workspace: Workspace) -> Iterator[TestClient]:
    serving = Serving.of(workspace, ServingSettings(request_bytes=1000))
    with TestClient(create_app(serving, LOOPBACK), base_url="http://localhost:8000") as opened:
        yield opened


@pytest.mark.parametrize("path", ["/health/live", "/v1/models", "/nowhere", "/openapi.json"])
def test_every_response_has_the_headers(client: TestClient, path: str) -> None:
    headers = client.get(path, headers={"Origin": "http://evil.example"}).headers
    assert {name: headers.get(name) for name in HEADERS} == HEADERS
    assert not [name for name in headers if name.startswith("access-control-")]


def test_no_other_origin_may_ask(client: TestClient) -> None:
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    response = client.options("/v1/feedback", headers=asked)
    assert response.status_code == 405
    assert not [name for name in response.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST:1"])
def test_its_own_names_are_accepted(client: TestClient, host: str) -> None:
    assert client.get("/health/live", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""])
def test_a_name_that_somebody_else_points_here_is_refused(client: TestClient, host: str) -> None:
    response = client.get("/health/live", headers={"Host": host})
    assert (response.status_code, response.json()["error"]["type"]) == (421, "invalid_request_error")


def chunks() -> Iterator[bytes]:
    for _ in range(20):
        yield b" " * 100


@pytest.mark.parametrize("body", [b" " * 1001, chunks])
def test_a_body_that_is_too_large_is_refused(client: TestClient, body: Any) -> None:
    content = body() if callable(body) else body
    response = client.post("/v1/feedback", content=content, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["error"]["code"]) == (413, "request_too_large")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_that_is_not_json_is_refused(client: TestClient, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    response = client.post("/v1/feedback", content=b"{}", headers=headers)
    assert response.status_code == 415


def test_a_page_takes_forms_only_and_answers_with_a_page(client: TestClient) -> None:
    for kind in ("application/json", "text/plain", "multipart/form-data; boundary=x"):
        response = client.post("/login", content=b"{}", headers={"Content-Type": kind})
        assert (response.status_code, response.headers["content-type"]) == (415, "text/html; charset=utf-8")
    form = client.post("/login", data={"name": "ana"})
    assert form.status_code == 403
    large = client.post("/login", data={"name": "a" * 2000})
    assert large.status_code == 413
    assert "shorten it, or divide it" in large.text


def test_broken_json_and_unknown_paths_have_the_form_of_errors(client: TestClient) -> None:
    broken = client.post("/v1/feedback", content=b"{", headers={"Content-Type": "application/json"})
    assert (broken.status_code, broken.json()["error"]["code"]) == (400, "invalid_json")
    unknown = client.get("/nowhere")
    assert (unknown.status_code, unknown.json()["error"]["type"]) == (404, "not_found_error")


@pytest.mark.parametrize("path", ["/v1/feedback", "/v1/chat/completions", "/login", "/nowhere"])
def test_a_body_that_breaks_off_reaches_no_route(
    workspace: Workspace, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Over a real socket: the length of the whole body is stated, and the connection ends after one half of it."""
    body = b'{"feedback": [{"prompt": "a", "chosen": "b", "rejected": "c"}]} '
    head = (f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {FORM if is_page(path) else JSON}")
    with listening(create_app(Serving.of(workspace, ServingSettings()))) as address, Client(base_url=address) as asking:
        with socket.create_connection((asking.base_url.host, asking.base_url.port)) as sending:
            sending.sendall("\r\n".join([*head, f"Content-Length: {2 * len(body)}", "", ""]).encode() + body)
            sending.shutdown(socket.SHUT_WR)
            assert sending.recv(1000) == b""
        until(lambda: 'requests_total{route="other",status="499"} 1.0' in asking.get("/metrics").text)
    assert said(workspace) == []
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_requests_are_counted_by_route_and_status(client: TestClient) -> None:
    client.get("/health/live")
    client.get("/nowhere/1")
    client.get("/nowhere/2")
    lines = client.get("/metrics").text.splitlines()
    assert 'rounds_serving_requests_total{route="/health/live",status="200"} 1.0' in lines
    assert 'rounds_serving_requests_total{route="other",status="404"} 2.0' in lines
    assert "rounds_serving_queue 0.0" in lines
