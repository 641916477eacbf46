"""All checks together: a healthy workspace, damaged ones, a check that fails or does not end."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import Damaged
from tasks import doctor
from tasks.doctor.diagnosis import ORDER, Diagnosis, Severity, note
from tasks.state.workspace import PROJECT, Workspace
from tests.workspaces import moved

DAMAGED = [
    "mlflow.db",
    "dvc.lock",
    "dvc.yaml",
    "params.yaml",
    ".dvc/config",
    "data/round.yaml",
    "data/opened.json",
    "data/audit.jsonl",
    "data/audit.jsonl.head",
    "data/rounds/00001.json",
    "data/workspace.json",
    "data/feedback/part-00001-0.parquet",
]
"""Files that are cut in half, or missing."""

LOADED = """
import sys
from pathlib import Path
from tasks import doctor
from tasks.state.workspace import Workspace
doctor.examine(Workspace(Path(sys.argv[1])))
print({"torch", "transformers", "mlflow", "prefect"} & {*sys.modules})
"""


def state(root: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder with its size and time."""
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in [root, *root.rglob("*")]}


def test_a_healthy_workspace_gives_no_warning_and_is_not_written(finished: Workspace, tmp_path: Path) -> None:
    workspace = moved(finished, tmp_path / "copy")
    before = state(tmp_path)
    diagnoses = doctor.examine(workspace)
    assert [found for found in diagnoses if ORDER.index(found.severity) > ORDER.index(Severity.NOTE)] == []
    assert {found.check for found in diagnoses} == set(doctor.names())
    assert state(tmp_path) == before


@pytest.mark.parametrize("how", ["halved", "missing", "garbage"])
@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_reported_and_no_check_fails(
    finished: Workspace, tmp_path: Path, name: str, how: str
) -> None:
    workspace = moved(finished, tmp_path / "copy")
    file = workspace.root / name
    content = file.read_bytes()
    if how == "missing":
        file.unlink()
    else:
        file.write_bytes(content[: len(content) // 2] if how == "halved" else b"\xff\x00[" * 20)
    diagnoses = doctor.examine(workspace)
    assert [found for found in diagnoses if "this check failed" in found.text] == []
    if how == "garbage":
        assert doctor.worst(diagnoses) is not Severity.OK


def test_nothing_heavy_is_loaded(finished: Workspace) -> None:
    command = [sys.executable, "-W", "ignore", "-c", LOADED, str(finished.root)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_an_error_and_an_endless_check_are_reported(workspace: Workspace) -> None:
    def failing(workspace: Workspace) -> Iterator[Diagnosis]:
        yield note("before")
        raise KeyError("x")

    def damaged(workspace: Workspace) -> Iterator[Diagnosis]:
        raise Damaged("a file; restore it")
        yield

    def endless(workspace: Workspace) -> Iterator[Diagnosis]:
        time.sleep(2)
        yield note("late")

    assert [str(found.severity) for found in doctor.run("a", failing, workspace, 5)] == ["note", "warning"]
    assert doctor.run("b", damaged, workspace, 5) == [Diagnosis(Severity.ERROR, "a file; restore it", None, "b")]
    [given_up] = doctor.run("c", endless, workspace, 0.1)
    assert (given_up.severity, given_up.check) == (Severity.WARNING, "c")
