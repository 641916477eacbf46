"""What is left over when a server, a worker or a run dies, and that it does no harm afterwards."""

import json
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.orchestration.late import OVERTAKEN, drop_overtaken
from tasks.state.workspace import PROJECT
from tests.services.programs import BIN, eventually, free_port, running, surroundings
from tests.services.site import Run, Site, answers, asked

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]

SILENCE = 10
"""Seconds; Prefect takes no fewer for the absence of an event."""


def missed(site: Site, deployment: str, hours: int) -> None:
    """Plan the runs of the last hours, as a server has done while no worker ran."""
    now = datetime.now(UTC)
    window = {"start_time": (now - timedelta(hours=hours)).isoformat(), "end_time": now.isoformat()}
    site.ask(f"deployments/{deployment}/schedule", window | {"min_runs": hours, "max_runs": hours})


def runs(site: Site, deployment: str) -> list[Run]:
    """The runs of a deployment that are due, the oldest first."""
    due = {"expected_start_time": {"before_": datetime.now(UTC).isoformat()}}
    found = site.ask("flow_runs/filter", {"deployments": {"id": {"any_": [deployment]}}, "flow_runs": due})
    return sorted(found, key=lambda run: run["expected_start_time"])


@pytest.fixture
def hourly(site: Site) -> Iterator[str]:
    """The id of a deployment with an hourly schedule, of which no worker runs anything."""
    [watch] = site.ask("deployments/filter", {"deployments": {"name": {"any_": ["drift-watch"]}}})
    site.ask("work_pools/", {"name": "nobody", "type": "process"})
    schedule = {"schedule": {"cron": "30 * * * *", "timezone": "UTC"}, "active": True}
    copied = {name: watch[name] for name in ("flow_id", "entrypoint", "path", "parameters", "parameter_openapi_schema")}
    made = site.ask("deployments/", {**copied, "name": "late", "work_pool_name": "nobody", "schedules": [schedule]})
    yield str(made["id"])
    site.prefect("deployment", "delete", "watch/late")


def test_of_the_runs_that_a_downtime_has_left_over_the_newest_stays(site: Site, hourly: str) -> None:
    missed(site, hourly, 5)
    before = [run["id"] for run in runs(site, hourly)]
    assert len(before) == 5
    with temporary_settings({PREFECT_API_URL: site.url}), get_client(sync_client=True) as client:
        assert drop_overtaken(client) == 4
        assert drop_overtaken(client) == 0
    assert [run["id"] for run in runs(site, hourly)] == before[-1:]


def test_a_worker_that_comes_back_does_the_work_of_a_schedule_once(site: Site) -> None:
    [watch] = site.ask("deployments/filter", {"deployments": {"name": {"any_": ["drift-watch"]}}})
    identity = str(watch["id"])
    site.prefect("deployment", "schedule", "resume", "watch/drift-watch", str(watch["schedules"][0]["id"]))
    missed(site, identity, 3)
    late = [run["id"] for run in runs(site, identity) if run["auto_scheduled"]][-3:]
    ended = [site.ended(run) for run in late]
    site.prefect("deployment", "schedule", "pause", "watch/drift-watch", str(watch["schedules"][0]["id"]))
    assert [run["name"] for run in ended[:2]] == [OVERTAKEN, OVERTAKEN]
    assert ended[2]["name"].startswith(f"watch {ended[2]['expected_start_time'][:10]} ")
    assert {run["state_type"] for run in ended} == {"COMPLETED"}


def heard(site: Site, run: str) -> None:
    """A run's heartbeat."""
    event = {
        "id": str(uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": "prefect.flow-run.heartbeat",
        "resource": {"prefect.resource.id": f"prefect.flow-run.{run}"},
        "payload": {},
    }
    httpx.post(f"{site.url}/events", json=[event], timeout=60).raise_for_status()


def test_a_run_that_falls_silent_is_crashed_and_one_that_waits_for_people_is_not(site: Site) -> None:
    """The automation that ships, with less patience. A worker that died with its run reports nothing."""
    [automation] = yaml.safe_load((PROJECT / "automations.yaml").read_text())["automations"]
    automation["trigger"]["within"] = SILENCE
    made = site.ask("automations/", automation | {"name": "silent-within-seconds"})
    [deployment] = site.ask("deployments/filter", {"deployments": {"name": {"any_": ["rollback"]}}})
    running_state: dict[str, Any] = {"type": "RUNNING", "name": "Running"}
    silent, waiting = (
        str(site.ask("flow_runs/", {"flow_id": deployment["flow_id"], "state": running_state})["id"]) for _ in range(2)
    )
    for run in (silent, waiting):
        heard(site, run)
    paused = {"type": "PAUSED", "name": "Suspended"}
    assert site.ask(f"flow_runs/{waiting}/set_state", {"state": paused, "force": True})["status"] == "ACCEPT"
    crashed = site.ended(silent, within=90)
    assert (crashed["state_type"], crashed["state"]["message"]) == ("CRASHED", "no heartbeat for 90 s")
    assert site.run(waiting)["state_name"] == "Suspended"
    site.prefect("automation", "delete", "--id", str(made["id"]))


def test_a_slot_comes_back_when_server_and_holder_die_together(tmp_path: Path) -> None:
    """Leases in the server's memory, Prefect's default, would be lost, and the slot with them."""
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    env = surroundings(PREFECT_HOME=str(tmp_path / "prefect"), PREFECT_API_URL=api)
    server = [str(BIN / "python"), "-m", "flows.orchestration.prefect_server", "server", "start", "--port", str(port)]
    with running("server", server, env, tmp_path) as process:
        eventually(lambda: answers(f"{api}/health"), "the Prefect server", tmp_path)
        asked(f"{api}/v2/concurrency_limits/", {"name": "rlhf-round.a", "limit": 1})
        lease = {"slots": 1, "names": ["rlhf-round.a"], "mode": "concurrency", "lease_duration": 60}
        asked(f"{api}/v2/concurrency_limits/increment-with-lease", lease)
        assert active(api) == 1
        os.killpg(process.pid, signal.SIGKILL)
    expire(tmp_path / "prefect" / "concurrency_leases")
    with running("server", server, env, tmp_path):
        eventually(lambda: answers(f"{api}/health"), "the Prefect server", tmp_path)
        eventually(lambda: active(api) == 0 or None, "a free slot", tmp_path)


def active(api: str) -> int:
    """The slots that are taken."""
    [limit] = asked(f"{api}/v2/concurrency_limits/filter")
    return int(limit["active_slots"])


def expire(leases: Path) -> None:
    """Let a minute pass."""
    before = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    for file in leases.glob("*.json"):
        content = json.loads(file.read_text())
        if file.name == "expirations.json":
            file.write_text(json.dumps(dict.fromkeys(content, before)))
        else:
            file.write_text(json.dumps(content | {"expiration": before}))
