"""A Prefect server that hangs, or is not there, is named within seconds."""

import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Running, Suspended

from tasks.people import waiting
from tasks.state.workspace import Workspace
from tasks.tools import events
from tasks.tools.prefect_api import NoPrefect, asking
from tests.commands import Rounds
from tests.services.programs import hanging
from tests.tasks.people.test_approval import begin_wait
from tests.tasks.people.waiting_round import opened


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that accepts connections and never answers."""
    monkeypatch.setattr(events, "TOTAL", 0.2)
    with hanging() as port:
        address = f"http://127.0.0.1:{port}/api"
        with temporary_settings({PREFECT_API_URL: address}):
            yield address


def test_without_a_server_the_way_to_start_one_is_named() -> None:
    with temporary_settings({PREFECT_API_URL: None}), pytest.raises(NoPrefect, match="`rounds up`"), asking(1.0):
        pass


def test_events_and_runs_do_not_wait_for_a_server_that_hangs(silent: str, workspace: Workspace) -> None:
    """By Prefect's settings, each request would wait for 60 s, and be repeated five times."""
    began = time.monotonic()
    assert not events.suspended(str(uuid4()))
    assert not events.send_feedback_ready(workspace, 3, 2)
    resumption = events.resume(str(uuid4()))
    assert time.monotonic() - began < 20
    assert not resumption.resumed
    assert f"{silent} accepts connections and does not answer within 0.2 s" in resumption.problem


def test_an_approval_is_recorded_and_says_which_server_does_not_answer(
    silent: str, rounds: Rounds, workspace: Workspace
) -> None:
    opened(workspace.root)
    begin_wait(workspace)
    wait = waiting.of(workspace, "approval")
    assert wait is not None
    waiting.suspend(workspace, wait, str(uuid4()))
    done = rounds("approve", 3, "--by", "ana", "--why", "good", "-w", workspace.root)
    assert done.code == 0, done
    assert "approved by ana; `rounds round" in done.out
    assert f"Its run was not resumed: the Prefect server at {silent} accepts connections" in done.out


def test_a_suspended_run_is_resumed_once(prefect: None) -> None:
    with get_client(sync_client=True) as client:
        flow = client.create_flow_from_name("waits")
        deployment = client.create_deployment(flow_id=flow, name="waits")
        run = client.create_flow_run_from_deployment(deployment)
        client.set_flow_run_state(run.id, Running(), force=True)
        client.set_flow_run_state(run.id, Suspended(timeout_seconds=600), force=True)
    assert events.suspended(str(run.id))
    assert events.resume(str(run.id)) == (True, "")
    assert not events.suspended(str(run.id))
    assert events.resume(str(run.id)) == (False, ""), "it is not suspended any more"
    assert events.resume(str(uuid4())) == (False, ""), "the server does not know it"
