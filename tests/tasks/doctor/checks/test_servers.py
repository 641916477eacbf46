import json
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path
from threading import Thread

import pytest

from tasks.state.workspace import Workspace
from tests.tasks.doctor.cures import diagnoses


class Server(HTTPServer):
    """A server of MLflow or Prefect that knows its version and the time."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.version = version("mlflow")
        self.ahead = 0.0
        """Seconds by which its clock is ahead."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    """Its answers."""

    server: Server

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        body = json.dumps(self.server.version) if "admin" in self.path else self.server.version
        self.wfile.write(body.encode())

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(time.time() + self.server.ahead, usegmt=True)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_a_server_that_fits(workspace: Workspace, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    assert diagnoses("servers", workspace) == []
    server.version = "1.30.0"
    assert [found.severity for found in diagnoses("servers", workspace)] == ["warning"]


def test_prefect_is_asked_for_its_version(
    workspace: Workspace, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"{server.address}/api")
    server.version = version("prefect")
    assert diagnoses("servers", workspace) == []


def test_the_address_may_be_in_the_profile_of_prefect(
    workspace: Workspace, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    profile = f'active = "team"\n[profiles.team]\nPREFECT_API_URL = "{server.address}/api"\n'
    (tmp_path / "profiles.toml").write_text(profile)
    assert "has version" in diagnoses("servers", workspace)[0].text  # that of MLflow
    (tmp_path / "profiles.toml").write_text("active = ")
    assert diagnoses("servers", workspace) == []


def test_a_clock_that_differs(workspace: Workspace, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    server.ahead = 600
    [found] = diagnoses("servers", workspace)
    assert (found.severity, "clock" in found.text) == ("warning", True)


def test_servers_that_do_not_answer(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    found = diagnoses("servers", workspace)
    assert [each.severity for each in found] == ["error", "error"]
    assert "secret" not in " ".join(each.text for each in found)
    start = f"rounds up --only prefect --prefect-port 9 -w {workspace.root}"
    assert [each.cure for each in found] == [start, None]


def test_a_prefect_server_on_another_machine_is_started_there(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.invalid:4200/api")
    [found] = diagnoses("servers", workspace)
    assert (found.severity, found.cure) == ("error", None)
