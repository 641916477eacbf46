"""Runs of steps on a real Prefect server, whose pool has no worker."""

from contextlib import suppress
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists
from prefect.flows import load_flow_from_entrypoint
from prefect.settings import PREFECT_API_URL
from prefect.states import Completed, Running

from core.errors import NotFound
from tasks.tools.work_pools import ENTRYPOINT, FLOW, PoolRuns, RunState
from tests.cures import cures, words
from tests.services.programs import BIN, run_command, surroundings

POOL = "gpu-of-runs"


@pytest.fixture
def runs(prefect: None) -> PoolRuns:
    with get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
    return PoolRuns(POOL)


def test_the_flow_is_where_workers_import_it() -> None:
    assert load_flow_from_entrypoint(ENTRYPOINT).name == FLOW


def test_an_attempt_has_one_run_however_often_it_is_started(runs: PoolRuns) -> None:
    attempt = f"key/policy/{uuid4().hex}"
    given = ("s3://bucket", "id", attempt, "round 3, policy")
    run = runs.start(*given)
    assert runs.start(*given) == run
    assert runs.start(*given[:2], f"key/policy/{uuid4().hex}", given[3]) != run
    with get_client(sync_client=True) as client:
        started = client.read_flow_run(UUID(run))
    assert started.work_pool_name == POOL
    assert started.parameters == {
        "handover": "s3://bucket",
        "workspace": "id",
        "attempt": attempt,
        "title": "round 3, policy",
    }


def test_its_state_is_what_the_server_says(runs: PoolRuns) -> None:
    run = runs.start("s3://bucket", "id", f"key/policy/{uuid4().hex}", "round 3, policy")
    assert (runs.state(run).kind, runs.state(run).ended) == ("SCHEDULED", False)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(run), Running(), force=True)
    assert runs.state(run) == RunState("RUNNING")
    runs.cancel(run, "no sign of life")
    assert runs.state(run) == RunState("CRASHED", "no sign of life")
    assert runs.state(run).ended


def test_a_run_that_has_ended_is_not_cancelled(runs: PoolRuns) -> None:
    run = runs.start("s3://bucket", "id", f"key/policy/{uuid4().hex}", "round 3, policy")
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(run), Completed(message="done"), force=True)
    runs.cancel(run, "no sign of life")
    assert runs.state(run) == RunState("COMPLETED", "done")


@cures("tasks.tools.work_pools.PoolRuns.check: prefect work-pool create … --type process")
def test_a_pool_that_the_server_lacks_is_named(prefect: None) -> None:
    runs = PoolRuns(f"made-{uuid4().hex[:8]}")
    with pytest.raises(NotFound, match="no work pool 'made-") as refused:
        runs.check()
    command = words(str(refused.value), "prefect work-pool create")
    env = surroundings(PREFECT_API_URL=str(PREFECT_API_URL.value()))
    assert run_command([str(BIN / command[0]), *command[1:]], env).returncode == 0
    runs.check()
