"""Rounds that wait for people, on a Prefect server: suspended, they hold nothing, and go on by themselves."""

from pathlib import Path

import pytest

from core.files import read_json, write_json
from flows.orchestration.limits import slot_name
from tasks.registry import audit
from tasks.state import records
from tasks.state.lock import holding
from tests.cli.annotators import PEOPLE, voted
from tests.profile import HOLD
from tests.services.programs import eventually
from tests.services.site import Run, Site

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]


def suspended(site: Site, run_id: str, title: str) -> Run:
    """The run, as soon as it is suspended and its name says why."""

    def look() -> Run | None:
        run = site.run(run_id)
        return run if run["state_name"] == "Suspended" and title in run["name"] else None

    return eventually(look, f"run {run_id} suspended: {title}", site.logs, within=240)


def push(site: Site, folder: Path) -> str:
    """Pull all pairs, vote on each, and push the votes."""
    pulled, root = folder / "pairs.jsonl", str(site.workspace.root)
    assert site.flows("votes", "pull", "--into", str(pulled), "-w", root).returncode == 0
    result = site.flows("votes", "push", str(voted(pulled, folder / "votes.jsonl", "ana")), "-w", root)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_round_is_suspended_until_people_have_voted_and_one_has_signed(settled: Site, tmp_path: Path) -> None:
    workspace, number = settled.workspace, records.numbers(settled.workspace)[-1] + 1
    run = settled.start("round-nightly", overrides=[PEOPLE, "approval.required=true"], reopen=True)
    suspended(settled, run, f"round {number} waits for votes: 0 of 10 are in; it waits until ")
    with holding(workspace.lock, "a test"):  # free
        assert "active_slots=0" in settled.prefect("gcl", "inspect", slot_name(settled.workspace))
    backstop = settled.ended(settled.start("round-on-feedback"))
    assert backstop["name"].startswith(f"round {number} waits for votes")

    assert f"resumed the run of round {number} on the Prefect server" in push(settled, tmp_path)
    suspended(settled, run, f"round {number} waits for approval")
    blank = settled.ask(f"flow_runs/{run}/resume", {"run_input": {"approve": True, "by": "ana", "why": " "}})
    assert blank["status"] == "REJECT"
    word = {"approve": True, "by": "ana", "why": "read twenty answers"}
    assert settled.ask(f"flow_runs/{run}/resume", {"run_input": word})["status"] == "ACCEPT"
    ended = settled.ended(run)
    assert (ended["state_type"], ended["name"]) == ("COMPLETED", f"round {number}: promote"), ended["state"]
    record = records.read(workspace, number)
    assert record.verdict.findings[-1].reason == "the candidate was approved by ana: read twenty answers"
    assert record.metrics["evaluate/votes"] >= 10
    [approval] = [entry for entry in audit.read(workspace.audit) if entry.event == "approval"]
    assert (approval.who, approval.facts["round"], audit.verify(workspace.audit)) == ("ana", number, [])


def test_when_the_time_is_up_the_backstop_ends_the_round_on_hold(settled: Site) -> None:
    number = records.numbers(settled.workspace)[-1] + 1
    run = settled.start("round-nightly", overrides=[PEOPLE, HOLD])
    suspended(settled, run, f"round {number} waits for votes")
    wait = settled.workspace.waiting / "votes.json"
    write_json(wait, read_json(wait) | {"until": "2026-01-01T00:00:00+00:00"})
    backstop = settled.ended(settled.start("round-on-feedback"))
    assert (backstop["state_type"], backstop["name"]) == ("COMPLETED", f"round {number}: hold"), backstop["state"]
    [finding] = records.read(settled.workspace, number).verdict.findings
    assert "no fresh votes" in finding.reason
    left = settled.run(run)
    assert (left["state_type"], "was continued by run" in left["state"]["message"]) == ("CANCELLED", True)


def test_approval_from_the_command_line_resumes_the_run(settled: Site) -> None:
    number = records.numbers(settled.workspace)[-1] + 1
    run = settled.start("round-nightly", overrides=["approval.required=true"])
    suspended(settled, run, f"round {number} waits for approval")
    words = ["--by", "bo", "--why", "too curt", "--refuse", "-w", str(settled.workspace.root)]
    result = settled.flows("approve", str(number), *words)
    assert f"Round {number}: refused by bo; its run was resumed." in result.stdout, result.stderr
    assert settled.ended(run)["name"] == f"round {number}: hold"


def test_approval_by_its_deployment_resumes_the_run(settled: Site) -> None:
    """As the button of the dashboard starts it."""
    number = records.numbers(settled.workspace)[-1] + 1
    run = settled.start("round-nightly", overrides=["approval.required=true"])
    suspended(settled, run, f"round {number} waits for approval")
    made = settled.ended(settled.start("approve", round=number, by="ana", why="too curt", refuse=True))
    assert (made["state_type"], made["name"]) == ("COMPLETED", f"refuse round {number}: its run was resumed")
    assert settled.ended(run)["name"] == f"round {number}: hold"
