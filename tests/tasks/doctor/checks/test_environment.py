import re
from pathlib import Path

import pytest

from tasks.doctor.checks.environment import KNOWN
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.cures import cures
from tests.pages import ROOT
from tests.tasks.doctor.cures import diagnoses, mended
from tests.test_mirror import PACKAGES


@cures(
    "tasks.doctor.checks.environment._tools: unset MLFLOW_RUN_ID",
    "tasks.doctor.checks.environment._tools: unset MLFLOW_TRACKING_URI",
)
@pytest.mark.parametrize(
    ("name", "value", "severity"),
    [
        ("ROUNDS_WORKSPASE", "/srv/rounds", "warning"),
        ("ROUNDS_WORKSPACE", "/srv/other", "warning"),
        ("MLFLOW_RUN_ID", "7", "warning"),
        ("MLFLOW_TRACKING_URI", "./mlruns", "error"),
        ("PREFECT_API_URL", "http://127.0.0.1:4200", "warning"),
        ("PREFECT_HOME", "/dev/null/nothing", "error"),
    ],
)
def test_a_variable_that_cannot_work(
    rounds: Rounds, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, name: str, value: str, severity: str
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(workspace.root))
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(workspace.root))
    assert diagnoses("environment", workspace) == []
    monkeypatch.setenv(name, value)
    found = mended("environment", workspace, rounds, severity)
    assert name in found.text or name in str(found.cure)


def test_every_variable_that_the_code_reads_is_known() -> None:
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    read = {name for file in files for name in re.findall(r'"(ROUNDS_[A-Z_]+)"', file.read_text(encoding="utf-8"))}
    assert read == set(KNOWN)


def test_the_home_folder_is_not_written(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    diagnoses("environment", workspace)
    assert [*tmp_path.glob(".*")] == []
