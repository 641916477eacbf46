"""Events for a Prefect server: what they carry, and what happens if it is down."""

import json
import logging
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest
import yaml
from prefect.events import Resource
from prefect.events.schemas.events import ResourceSpecification
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.state import identity
from tasks.state.choosing import at
from tasks.state.workspace import PROJECT, Workspace
from tasks.tools.events import send_drift_alarms, send_feedback_on_champion, send_feedback_ready, send_rollback
from tests.services.programs import free_port


class Listener(BaseHTTPRequestHandler):
    """Accepts every request, and keeps the events."""

    events: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        """Keep the events of the request."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/events"):
            self.events.extend(json.loads(body))
        self.send_response(200)
        self.end_headers()

    def do_GET(self) -> None:
        """Have no tokens against forged requests, for which the client asks first."""
        self.send_response(404)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


@pytest.fixture
def listener() -> Iterator[list[dict[str, Any]]]:
    """The events that a configured server has received."""
    Listener.events.clear()
    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{server.server_port}/api"}):
            yield Listener.events
        server.shutdown()


def test_a_server_that_is_down_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}), caplog.at_level(logging.WARNING):
        assert not send_feedback_ready(Workspace(tmp_path), 80, 80)
        assert not send_drift_alarms(Workspace(tmp_path), {"prompt_auc": "prompts are about something else"})
        assert not send_rollback(Workspace(tmp_path), "2", "1", "harm: 3 people")
        assert not send_feedback_on_champion(Workspace(tmp_path), "2")
    assert caplog.text.count(" was not sent: ") == 4


def test_an_event_names_its_line_and_triggers_match_one_line_or_all(
    surroundings: None, tmp_path: Path, listener: list[dict[str, Any]]
) -> None:
    help_desk, legal = at(tmp_path / "help desk"), at(tmp_path / "legal")
    for workspace in (help_desk, legal):
        assert send_feedback_ready(workspace, 80, 80)
        assert send_rollback(workspace, "2", "1", "harm: 3 people")
    lines = [f"{name}-{identity.made(team).id[:4]}" for name, team in (("help-desk", help_desk), ("legal", legal))]
    assert [event["payload"]["line"] for event in listener] == [lines[0], lines[0], lines[1], lines[1]]
    deployments = yaml.safe_load((PROJECT / "prefect.yaml").read_text())["deployments"]
    shipped, live = [trigger["match"] for deployment in deployments for trigger in deployment.get("triggers", [])]
    resources = [Resource(event["resource"]) for event in listener]
    for match, expected in (
        (shipped, [True, False, True, False]),
        (shipped | {"rounds.line": lines[0]}, [True, False, False, False]),
        (live, [False, False, False, False]),
        ({"prefect.resource.id": "rounds.champion"}, [False, True, False, True]),
        ({"prefect.resource.id": "rounds.champion", "rounds.line": lines[1]}, [False, False, False, True]),
    ):
        assert [ResourceSpecification(match).matches(resource) for resource in resources] == expected


def test_feedback_on_the_champion_names_it_and_its_trigger_matches(
    surroundings: None, tmp_path: Path, listener: list[dict[str, Any]]
) -> None:
    assert send_feedback_on_champion(at(tmp_path / "help desk"), "2")
    [event] = listener
    assert (event["event"], event["payload"]["champion"]) == ("feedback.on_champion", "2")
    deployments = yaml.safe_load((PROJECT / "prefect.yaml").read_text())["deployments"]
    [watch] = [deployment for deployment in deployments if deployment["name"] == "drift-watch"]
    assert ResourceSpecification(watch["triggers"][0]["match"]).matches(Resource(event["resource"]))
