"""From feedback to a champion and back, with the servers of `rounds up`, and nobody who starts anything."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from core.settings import override, read
from tasks.registry.alias import Registry
from tasks.state import records
from tasks.tools import tracking
from tests.services.programs import eventually, surroundings
from tests.services.site import ENDS, THRESHOLD, Run, furnished
from tests.services.test_up import Command

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Command]:
    """Everything answers, in a workspace without rounds whose candidates wait for approval."""
    workspace = furnished(tmp_path / "workspace")
    values = override(read(workspace.params), ["approval.required=true"])
    workspace.params.write_text(yaml.safe_dump(values))
    command = Command(workspace, surroundings())
    with command.running():
        yield command


def vote(up: Command) -> None:
    """People hand in as many preferences as start a round."""
    records = [
        {"prompt": f"How do I return item {number}?", "chosen": f"Please send {number} back.", "rejected": "No."}
        for number in range(THRESHOLD)
    ]
    assert served(up, "feedback", {"feedback": records})["stored"] == THRESHOLD


def dislike(up: Command, people: int) -> None:
    """As many people ask the champion, and flag what it answers as harmful."""
    for number in range(people):
        question = [{"role": "user", "content": "Where do I enter my PIN?"}]
        answer = served(up, "chat/completions", {"model": "champion", "messages": question, "user": f"person {number}"})
        label = {"response_id": answer["id"], "user": f"person {number}", "label": "harmful"}
        assert served(up, "feedback", {"feedback": [label]})["stored"] == 1


def served(up: Command, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """POST to the serving app."""
    answer = httpx.post(f"http://127.0.0.1:{up.ports.serving}/v1/{path}", json=body, timeout=60)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


def follows(up: Command, version: str) -> None:
    """Return as soon as the serving app answers with the version."""

    def look() -> bool | None:
        ready = httpx.get(f"http://127.0.0.1:{up.ports.serving}/health/ready", timeout=60).json()
        return ready["version"] == version or None

    eventually(look, f"version {version} answers", up.workspace.services_logs, within=60)


def named(up: Command, name: str, state: str) -> Run:
    """The run whose name begins so, as soon as it is in the state."""

    def look() -> Run | None:
        runs: list[Run] = up.ask("flow_runs/filter", {"sort": "START_TIME_DESC"})
        found = [run for run in runs if run["name"].startswith(name)]
        if found and found[0]["state_type"] in ENDS:
            assert found[0]["state_type"] == state, found[0]["state"]
        return found[0] if found and found[0]["state_type"] == state else None

    return eventually(look, f"a run {name}: {state}", up.workspace.services_logs, within=180)


def rolls_back(up: Command, to: str) -> None:
    """Return as soon as a watch that an event started has rolled the champion back."""

    def look() -> bool | None:
        runs: list[Run] = up.ask("flow_runs/filter")
        by_events = [run["name"] for run in runs if (run["created_by"] or {}).get("type") == "AUTOMATION"]
        return any(name.startswith("watch ") and ": rolled back" in name for name in by_events) or None

    eventually(look, "a rollback that live feedback started", up.workspace.services_logs, within=180)
    assert Registry(up.workspace.root).alias() == to


def start(up: Command, deployment: str, **parameters: Any) -> None:
    """Start a deployment, as its button or its schedule does."""
    [match] = up.ask("deployments/filter", {"deployments": {"name": {"any_": [deployment]}}})
    up.ask(f"deployments/{match['id']}/create_flow_run", {"parameters": parameters})


def test_feedback_becomes_a_champion_and_bad_feedback_on_it_a_rollback(up: Command) -> None:
    vote(up)
    waiting = named(up, "round 1 waits for approval", "PAUSED")
    follows(up, "1")
    start(up, "approve", round=1, by="ana", why="read twenty answers")
    named(up, "approve round 1: its run was resumed", "COMPLETED")
    ended = named(up, "round 1: promote", "COMPLETED")
    assert ended["id"] == waiting["id"]
    version = records.read(up.workspace, 1).version
    follows(up, version)
    check_links(up, ended)
    dislike(up, people=3)
    rolls_back(up, to="1")
    follows(up, "1")
    assert "rolled back" in up.typed("status")


def check_links(up: Command, run: Run) -> None:
    """From the round's run in Prefect to that in MLflow, and back."""
    record = records.read(up.workspace, 1)
    tags = tracking.client(up.workspace.root).get_run(record.run_id).data.tags
    assert tags["prefect_run"] == f"http://127.0.0.1:{up.ports.prefect}/runs/flow-run/{run['id']}"
    left = up.ask("artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
    newest = {each["key"].partition("-round-")[2]: each["data"] for each in sorted(left, key=lambda it: it["created"])}
    page = f"http://127.0.0.1:{up.ports.mlflow}/#/experiments/{record.experiment}/runs/{record.run_id}"
    assert page in newest["in-mlflow"]
    assert page in newest["summary"]
    assert "kl_budget" in newest["gates"]
    assert float(newest["progress"]) == 100
