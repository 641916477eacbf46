"""Lineage and replay on another machine that has only MLflow's address and the DVC remote."""

import json
from pathlib import Path
from zipfile import ZipFile

import pytest

from core.files import digest
from tasks.state import records
from tasks.state.workspace import Workspace
from tests.profile import PROMOTE, TINY
from tests.services.programs import BIN, free_port, run_command, surroundings
from tests.services.site import mlflow
from tests.workspaces import Furnish

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]


def test_a_round_is_found_explained_and_replayed_over_http(furnish: Furnish, tmp_path: Path) -> None:
    workspace, port, empty = furnish(tmp_path / "workspace"), free_port(), tmp_path / "empty"
    with (workspace.root / ".dvc/config").open("a") as config:
        config.write(f"['remote \"store\"']\n    url = {tmp_path / 'remote'}\n")
    env = surroundings(MLFLOW_TRACKING_URI=f"http://127.0.0.1:{port}", PREFECT_HOME=str(tmp_path / "prefect"))

    def flows(*words: object) -> str:
        done = run_command([str(BIN / "python"), "-m", "cli", *map(str, words)], env, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    settings = [word for knob in (*TINY, PROMOTE, "versioning.remote=store") for word in ("-S", knob)]
    with mlflow(workspace, port, tmp_path):
        flows("round", *settings, "-w", workspace.root)
        run_id = records.read(workspace, 1).run_id

        lineage = json.loads(flows("lineage", "policy@champion", "--json", "-w", empty))
        assert run_id in json.dumps(lineage)

        flows("evidence", "policy@champion", "--into", tmp_path / "evidence.zip", "-w", empty)
        with ZipFile(tmp_path / "evidence.zip") as archive:
            assert any(name.endswith("SHA256SUMS") for name in archive.namelist())

        output = flows("replay", run_id, "--judge", "--into", tmp_path / "again", "-w", empty)
        assert "Identical: round 1" in output
    for name in ("reward", "policy"):
        assert digest(Workspace(tmp_path / "again").checkpoint(name)) == digest(workspace.checkpoint(name))
