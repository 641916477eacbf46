"""A Prefect server, a worker and the deployments of prefect.yaml: rounds that nobody starts by hand."""

import json
import os
import signal
import time

import httpx
import pytest

from core.files import read_json
from flows.orchestration.limits import slot_name
from tasks.registry import audit
from tasks.registry.alias import Registry
from tasks.state import records
from tasks.state.lock import holding
from tasks.state.records import RoundRecord
from tests.services.site import Run, Site

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]


def champion(site: Site) -> str | None:
    now = Registry(site.workspace.root).champion()
    return now.version if now else None


def finished(site: Site, number: int) -> RoundRecord:
    return records.read(site.workspace, number)


def test_enough_feedback_starts_a_round_and_its_candidate_becomes_champion(site: Site, first: Run) -> None:
    assert (first["state_type"], first["name"]) == ("COMPLETED", "round 1: promote"), first["state"]["message"]
    moves = [entry.facts["now"] for entry in audit.read(site.workspace.audit) if "now" in entry.facts]
    assert moves == [finished(site, 0).version, finished(site, 1).version]
    assert champion(site) == finished(site, 1).version
    assert len(list((site.workspace.inbox / "taken").iterdir())) == 1


def test_the_slot_is_one_and_free_again_and_leases_are_kept_in_files(settled: Site) -> None:
    limit = settled.prefect("gcl", "inspect", slot_name(settled.workspace))
    assert "limit=1" in limit
    assert "active_slots=0" in limit
    # leases in the server's memory would be lost with it, and the slot with them
    assert (settled.logs.parent / "prefect" / "concurrency_leases").is_dir()


def test_the_server_takes_a_null_for_a_missing_limit(site: Site) -> None:
    """Newer releases of FastAPI than the one that is pinned answer 422 here, and Prefect's command line breaks."""
    for path in ("deployments/filter", "flow_runs/filter", "automations/filter", "work_pools/filter"):
        site.ask(path, {"limit": None})


def test_prefect_sends_no_statistics(site: Site) -> None:
    assert httpx.get(f"{site.url}/admin/settings").json()["server"]["analytics_enabled"] is False


def test_the_backstop_ends_at_once_where_nothing_waits(settled: Site) -> None:
    run = settled.ended(settled.start("round-on-feedback"))
    assert (run["state_type"], run["name"]) == ("COMPLETED", "nothing to do: 0 of 80 usable records wait")
    assert records.numbers(settled.workspace) == [0, 1]


def test_feedback_that_no_event_announced_starts_a_round_when_it_is_old(settled: Site) -> None:
    """Events are sent at most once; the schedule of `round-on-feedback` looks by itself, and not only at the number."""
    number = records.numbers(settled.workspace)[-1] + 1
    vote = {"prompt": "Is the lamp in stock?", "chosen": "Yes, four of them.", "rejected": "No."}
    file = settled.workspace.inbox / "old.jsonl"
    file.write_text(json.dumps(vote) + "\n")
    young = settled.ended(settled.start("round-on-feedback"))
    assert young["name"].startswith("nothing to do: 1 of 80 usable records wait, the oldest for "), young["name"]
    eight_days_ago = time.time() - 8 * 24 * 3600
    os.utime(file, (eight_days_ago, eight_days_ago))
    old = settled.ended(settled.start("round-on-feedback"))
    assert (old["state_type"], old["name"]) == ("COMPLETED", f"round {number}: promote"), old["state"]
    assert finished(settled, number).new_feedback >= 1
    assert not file.exists()


def test_of_rounds_started_together_one_runs_at_a_time(settled: Site) -> None:
    first = records.numbers(settled.workspace)[-1] + 1
    with holding(settled.workspace.lock, "round 7"):
        nightly = [settled.start("round-nightly"), settled.start("round-nightly")]
        watching = settled.ended(settled.start("round-on-feedback"))
        for run in nightly:
            settled.reached(run, "RUNNING")
    # what looks for work leaves it to the one that runs …
    assert watching["state_type"] == "COMPLETED"
    assert watching["name"].startswith(f"busy: round 7 (process {os.getpid()}) is running in")
    # … and what was told to run waits its turn
    runs = [settled.ended(run) for run in nightly]
    names = {f"round {number}: promote" for number in (first, first + 1)}
    assert {run["name"] for run in runs} == names, [run["state"] for run in runs]
    second, third = finished(settled, first), finished(settled, first + 1)
    assert second.finished <= third.opened.at
    assert third.parent == second.key
    assert champion(settled) == third.version


def test_a_failed_round_says_where_and_how_to_go_on(settled: Site) -> None:
    number = records.numbers(settled.workspace)[-1] + 1
    run = settled.ended(settled.start("round-nightly", overrides=["curate.min_holdout=100000"]))
    assert (run["state_type"], run["name"]) == ("FAILED", f"round {number}")
    message = run["state"]["message"]
    assert f"BadFeedback: round {number}, step curate: " in message
    assert "rounds round" in message
    assert records.unfinished(settled.workspace)


def test_a_killed_round_is_continued_by_the_backstop(settled: Site) -> None:
    number = records.numbers(settled.workspace)[-1] + 1
    killed = settled.start("round-nightly", reopen=True)
    settled.reached(killed, "RUNNING", f"round {number}")
    os.kill(read_json(settled.workspace.lock)["pid"], signal.SIGKILL)
    assert settled.ended(killed)["state_type"] == "CRASHED"
    assert records.unfinished(settled.workspace)
    run = settled.ended(settled.start("round-on-feedback"))
    assert (run["state_type"], run["name"]) == ("COMPLETED", f"round {number}: promote")


def test_rollback_is_a_deployment_too(settled: Site) -> None:
    before = Registry(settled.workspace.root).champion()
    assert before is not None
    run = settled.ended(settled.start("rollback", reason="a test"))
    assert run["state_type"] == "COMPLETED", run["state"]["message"]
    assert champion(settled) == before.tags["rollback_to"]
