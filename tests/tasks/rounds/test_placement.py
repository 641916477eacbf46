"""Where steps run, and what is missing is said before a round is opened."""

from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate

from core.errors import BadParams, NotFound
from tasks.rounds import placement
from tasks.rounds.placement import StepPlace, StepsSettings
from tasks.state.workspace import Workspace
from tasks.tools.prefect_api import NoPrefect
from tasks.tools.versioning import VersioningSettings
from tests.tasks.steps.hand_written import opened

GPU = StepsSettings.model_validate({"policy": {"work_pool": "gpu-of-tests", "lost_after": 30.0}})
SERVER = "http://127.0.0.1:5000"


def test_a_step_runs_here_unless_it_has_a_pool(tmp_path: Path) -> None:
    round = opened(tmp_path, steps={"policy": {"work_pool": "gpu"}}, versioning={"handover": "s3://bucket/x"})
    assert placement.of(round, "policy") == StepPlace("policy", "gpu", 120.0, "s3://bucket/x")
    assert (placement.of(round, "reward"), placement.of(round, "verdict")) == (None, None)
    assert placement.handover(round) == "s3://bucket/x"


def test_a_round_from_before_the_knob_runs_here(tmp_path: Path) -> None:
    round = opened(tmp_path)
    assert (placement.of(round, "policy"), placement.handover(round)) == (None, None)


def test_without_a_pool_nothing_is_needed(tmp_path: Path) -> None:
    placement.check(Workspace(tmp_path), StepsSettings(), VersioningSettings())


def test_what_is_missing_is_said_one_after_the_other(
    prefect: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, versioning = Workspace(tmp_path), VersioningSettings()
    with pytest.raises(BadParams, match=r"steps\.policy\.work_pool=gpu-of-tests: .*set versioning\.handover"):
        placement.check(workspace, GPU, versioning)
    versioning = VersioningSettings(handover=f"file://{tmp_path}/shared")
    with pytest.raises(BadParams, match=r"needs an MLflow server, .*mlflow\.db; .*set MLFLOW_TRACKING_URI"):
        placement.check(workspace, GPU, versioning)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SERVER)
    with pytest.raises(NotFound, match="no work pool 'gpu-of-tests'; make it with `prefect work-pool create"):
        placement.check(workspace, GPU, versioning)
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="gpu-of-tests", type="process"))
    placement.check(workspace, GPU, versioning)
    assert not list((tmp_path / "shared").iterdir())


def test_without_a_prefect_server_there_are_no_workers(
    surroundings: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.setenv("MLFLOW_TRACKING_URI", SERVER)
    versioning = VersioningSettings(handover=f"file://{tmp_path}/shared")
    with temporary_settings({PREFECT_API_URL: None}), pytest.raises(NoPrefect, match="no Prefect server"):
        placement.check(Workspace(tmp_path), GPU, versioning)
