"""What a round leaves in the Prefect UI, on the server of the tests."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.settings import PREFECT_UI_URL, temporary_settings

from flows.orchestration import artifacts
from flows.orchestration.artifacts import RoundProgress, key, share
from tasks.rounds.running import RunningRound
from tasks.state import records
from tasks.state.choosing import at
from tasks.state.workspace import Workspace
from tasks.tools import tracking
from tasks.tools.tracking import RoundRun


@pytest.fixture(autouse=True)
def wanted(prefect: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a user had configured the server, which updates the progress at once."""
    monkeypatch.setattr(artifacts, "configured", lambda: True)
    monkeypatch.setattr(artifacts, "EVERY", 0.0)


def left(workspace: Workspace, what: str) -> list[Any]:
    """The artifacts of a kind, the oldest first."""
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key(workspace, what)]))
    with get_client(sync_client=True) as client:
        return sorted(client.read_artifacts(artifact_filter=wanted), key=lambda artifact: artifact.created)


def test_keys_are_readable_and_valid(surroundings: None, tmp_path: Path) -> None:
    name = key(at(tmp_path / "Help_Desk (EU)"), "in-mlflow")
    assert re.fullmatch("help-desk-eu-[0-9a-f]{4}-round-in-mlflow", name)


def test_every_step_has_the_same_share() -> None:
    assert share("round 0", "collect") == (0.0, 20.0)
    assert share("round 0", "closing") == (80.0, 100.0)
    assert share("round 7", "sample") == (50.0, 100 * 7 / 12)


def test_the_progress_moves_while_a_step_runs(surroundings: None, tmp_path: Path) -> None:
    workspace = at(tmp_path / "workspace")
    seen = []

    @flow
    def work() -> None:
        progress = RoundProgress(workspace)
        progress.end()
        assert left(workspace, "progress") == [], "nothing has begun"
        log = progress("round 0, collect", "collect")
        for step in range(4):
            log({}, step, 4)
            seen.append(left(workspace, "progress")[-1].data)
        progress("round 0, closing", "closing")({}, 0)
        seen.append(left(workspace, "progress")[-1].data)
        progress("round 1, collect", "collect")({}, 0, 0)
        progress.end()

    work()
    assert seen == [5.0, 10.0, 15.0, 20.0, 80.0]
    assert [(each.data, each.description) for each in left(workspace, "progress")] == [
        (100.0, "Round 0 is finished"),
        (100.0, "Round 1 is finished"),
    ]


def test_a_round_is_linked_with_its_run_both_ways_and_leaves_gates_and_summary(
    continued: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUNDS_MLFLOW_PAGES", "http://mlflow.example")
    record = records.read(continued, 1)
    store = tracking.client(continued.root)
    run = RoundRun(continued.root, store, record.experiment, record.run_id, 1)
    running: Any = object.__new__(RunningRound)
    running.run, running.round = run, type("Opened", (), {"number": 1, "workspace": continued})

    @flow
    def work() -> None:
        artifacts.link(running)
        artifacts.leave(running, record)

    with temporary_settings({PREFECT_UI_URL: "http://prefect.example"}):
        state = work(return_state=True)
    page = f"http://prefect.example/runs/flow-run/{state.state_details.flow_run_id}"
    tags = store.get_run(record.run_id).data.tags
    assert tags["prefect_run"] == page
    assert tags[tracking.NOTE].startswith(f"[Run in Prefect]({page})\n\n# policy version 2")
    url = f"http://mlflow.example/#/experiments/{record.experiment}/runs/{record.run_id}"
    assert url in left(continued, "in-mlflow")[-1].data
    assert f"[Run in MLflow]({url})" in left(continued, "summary")[-1].data
    assert [row["gate"] for row in json.loads(left(continued, "gates")[-1].data)] == ["kl_budget"]


def test_a_run_that_started_no_round_leaves_the_reason(surroundings: None, tmp_path: Path) -> None:
    workspace = at(tmp_path / "workspace")

    @flow
    def work() -> None:
        artifacts.skip(workspace, "no new feedback: 2 *records* wait")

    work()
    [artifact] = left(workspace, "skipped")
    assert artifact.data == "# No round\n\nNo new feedback: 2 \\*records\\* wait."


def test_a_server_that_is_gone_is_asked_once_a_step(
    surroundings: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import httpx

    asked: list[float] = []

    def gone(progress: float, key: str, description: str) -> None:
        asked.append(progress)
        raise httpx.ConnectError("nobody listens")

    monkeypatch.setattr(artifacts, "create_progress_artifact", gone)
    log = RoundProgress(at(tmp_path / "workspace"))("round 0, sft", "sft")
    for step in range(3):
        log({}, step, 3)
    assert asked == [60.0]
