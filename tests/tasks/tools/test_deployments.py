"""Runs on a real Prefect server, which has deployments and no worker; and what is said where there is none."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Failed, Running, Scheduled

from core.errors import NotFound
from tasks.state.workspace import Workspace
from tasks.tools import deployments
from tasks.tools.deployments import APPROVE, ROLLBACK, ROUND, PrefectRuns
from tasks.tools.prefect_api import NoPrefect
from tests.services.programs import free_port, hanging


@pytest.fixture
def runs(prefect: None, tmp_path: Path) -> PrefectRuns:
    """The door to a server with the deployments `round-on-feedback` and `approve`."""
    with get_client(sync_client=True) as client:
        for name, given in ((ROUND, {"when_pending": True, "wait": 5}), (APPROVE, {})):
            flow = client.create_flow_from_name(f"flow of {name}")
            client.create_deployment(flow_id=flow, name=name, parameters=given)
    return PrefectRuns(Workspace(tmp_path))


def parameters(run: str) -> dict[str, object]:
    with get_client(sync_client=True) as client:
        return dict(client.read_flow_run(UUID(run)).parameters)


def test_a_run_has_the_parameters_of_the_deployment_of_the_caller_and_the_workspace(
    runs: PrefectRuns, tmp_path: Path
) -> None:
    run = runs.start(ROUND, {"when_pending": False}, uuid4().hex)
    assert parameters(run.id) == {"when_pending": False, "wait": 5, "workspace": str(tmp_path)}
    assert run.deployment == ROUND
    assert run.page.endswith(f"/runs/flow-run/{run.id}")
    assert "/api/" not in run.page


def test_the_same_key_starts_one_run(runs: PrefectRuns) -> None:
    key = uuid4().hex
    assert runs.start(ROUND, {}, key).id == runs.start(ROUND, {}, key).id
    assert runs.start(ROUND, {}, uuid4().hex).id != runs.start(ROUND, {}, key).id


def test_runs_that_have_not_ended_are_listed(runs: PrefectRuns) -> None:
    begun, ended, later = (runs.start(APPROVE, {"round": 3}, uuid4().hex) for _ in range(3))
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(ended.id), Completed(), force=True)
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        client.set_flow_run_state(UUID(later.id), Scheduled(scheduled_time=tomorrow), force=True)
    listed = {run.id: run for run in runs.listed().running}
    assert (begun.id in listed, ended.id in listed, later.id in listed) == (True, False, False)
    assert listed[begun.id].deployment == APPROVE


def test_runs_that_failed_are_listed_with_their_message_newest_first(runs: PrefectRuns) -> None:
    first, second, done = (runs.start(ROUND, {}, uuid4().hex) for _ in range(3))
    with get_client(sync_client=True) as client:
        for run, message in ((first, "no pair is left"), (second, "no space")):
            client.set_flow_run_state(UUID(run.id), Running(), force=True)
            client.set_flow_run_state(UUID(run.id), Failed(message=message), force=True)
        client.set_flow_run_state(UUID(done.id), Completed(), force=True)
    listed = runs.listed()
    assert [(run.id, run.message) for run in listed.failed[:2]] == [
        (second.id, "no space"),
        (first.id, "no pair is left"),
    ]
    assert listed.failed_round == listed.failed[0]
    assert done.id not in {run.id for run in listed.failed}


def test_a_deployment_that_the_server_lacks_is_named(runs: PrefectRuns) -> None:
    with pytest.raises(NotFound, match="no deployment 'rollback'"):
        runs.start(ROLLBACK, {"reason": "rude"}, uuid4().hex)


def test_without_a_server_the_cure_is_to_start_one(tmp_path: Path) -> None:
    with temporary_settings({PREFECT_API_URL: None}), pytest.raises(NoPrefect, match="`rounds up`"):
        PrefectRuns(Workspace(tmp_path)).listed()


def test_a_server_that_accepts_and_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By Prefect's settings, each request would wait for 60 s, and be repeated five times."""
    monkeypatch.setattr(deployments, "TOTAL", 0.2)
    runs = PrefectRuns(Workspace(tmp_path))
    with hanging() as port, temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{port}/api"}):
        began = time.monotonic()
        with pytest.raises(NoPrefect, match=r"does not answer within 0\.2 s"):
            runs.listed()
        with pytest.raises(NoPrefect, match=r"does not answer within 0\.2 s"):
            runs.start(ROUND, {}, "key")
        assert time.monotonic() - began < 30


def test_a_server_that_is_down_is_named(tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}/api"
    with temporary_settings({PREFECT_API_URL: address}), pytest.raises(NoPrefect, match=address):
        PrefectRuns(Workspace(tmp_path)).start(ROUND, {}, "key")
