from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate

from tasks.doctor.checks.placed_steps import check
from tasks.doctor.diagnosis import Severity
from tasks.state.workspace import Workspace


def found(workspace: Workspace) -> list[tuple[str, str]]:
    """In this thread, which has the settings of the test's Prefect server."""
    return [(diagnosis.severity, diagnosis.text) for diagnosis in check(workspace)]


def test_a_workspace_without_placed_steps(workspace: Workspace) -> None:
    assert found(workspace) == []


def test_what_a_placed_step_lacks_one_after_the_other(
    prefect: None, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = f"gpu-{uuid4().hex[:8]}"

    def lacks(severity: Severity, words: str) -> None:
        [(found_severity, text)] = found(workspace)
        assert (found_severity, words in text) == (severity, True), text

    def settle(**versioning: str) -> None:
        workspace.params.write_text(
            yaml.safe_dump({"steps": {"policy": {"work_pool": pool}}, "versioning": versioning})
        )

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    settle()
    lacks(Severity.ERROR, "set versioning.handover")
    (tmp_path / "file").touch()
    settle(handover=f"file://{tmp_path}/file/x")
    lacks(Severity.ERROR, "MLFLOW_TRACKING_URI")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    lacks(Severity.ERROR, "cannot be read")
    settle(handover=f"file://{tmp_path}/shared")
    lacks(Severity.ERROR, f"prefect work-pool create {pool} --type process")
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
        lacks(Severity.WARNING, f"prefect worker start --pool {pool}")
        client.send_worker_heartbeat(pool, "gpu-1", 30.0)
    assert found(workspace) == []
    assert not (tmp_path / "shared").exists()
