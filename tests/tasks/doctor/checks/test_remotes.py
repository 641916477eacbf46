import subprocess
import sys
from pathlib import Path

import pytest

from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.cures import cures, words
from tests.tasks.doctor.cures import diagnoses, mended


def configure(workspace: Workspace, url: object, name: str = "store") -> None:
    with (workspace.root / ".dvc/config").open("a") as config:
        config.write(f"['remote \"{name}\"']\n    url = {url}\n")
    workspace.params.write_text(f"versioning: {{remote: {name}}}\n")


def dvc(workspace: Workspace, *command: str) -> None:
    """Type a command of DVC in the workspace."""
    subprocess.run([sys.executable, "-m", *command], cwd=workspace.root, check=True, capture_output=True)


def test_a_folder_that_is_there_or_can_be_made(workspace: Workspace, tmp_path: Path) -> None:
    assert diagnoses("remotes", workspace) == []
    configure(workspace, tmp_path / "remote")
    assert diagnoses("remotes", workspace) == []
    assert not (tmp_path / "remote").exists()


def test_a_remote_without_its_driver(workspace: Workspace) -> None:
    configure(workspace, "gs://bucket/rounds")
    [found] = diagnoses("remotes", workspace)
    assert found.severity == "error"
    assert str(found.cure) == f"{sys.executable} -m pip install dvc-gs"


@cures(
    "tasks.tools.remotes.DvcSettings.configured: dvc remote add … URL",
    "tasks.doctor.checks.remotes.check: dvc remote modify … url URL",
)
def test_a_remote_that_is_not_configured_or_cannot_be_a_folder(workspace: Workspace, tmp_path: Path) -> None:
    workspace.params.write_text("versioning: {remote: nowhere}\n")
    [found] = diagnoses("remotes", workspace)
    assert (found.severity, "nowhere" in found.text) == ("error", True)
    (tmp_path / "file").touch()
    dvc(workspace, *words(found.text, "dvc remote add", URL=str(tmp_path / "file")))
    [found] = diagnoses("remotes", workspace)
    dvc(workspace, *words(found.text, "dvc remote modify", URL=str(tmp_path)))
    assert diagnoses("remotes", workspace) == []


@pytest.mark.parametrize("text", ["[core", "[core]\n    remote = \n    nonsense = 1\n"])
def test_settings_that_dvc_cannot_read(workspace: Workspace, text: str) -> None:
    (workspace.root / ".dvc/config").write_text(text)
    assert [found.severity for found in diagnoses("remotes", workspace)] == ["error"]


def test_missing_settings_are_copied(rounds: Rounds, workspace: Workspace) -> None:
    (workspace.root / ".dvc/config").unlink()
    mended("remotes", workspace, rounds, "error")


def test_a_cache_elsewhere_is_noted_and_a_missing_disk_is_an_error(
    rounds: Rounds, workspace: Workspace, tmp_path: Path
) -> None:
    with (workspace.root / ".dvc/config").open("a") as config:
        config.write(f"[cache]\n    dir = {tmp_path}/no disk/cache\n")
    noted, missing = diagnoses("remotes", workspace)
    assert (noted.severity, missing.severity) == ("note", "error")
    subprocess.run(
        ["bash", "-ec", str(missing.cure).replace("dvc ", f"{sys.executable} -m dvc ", 1)],
        check=True,
        capture_output=True,
    )
    assert diagnoses("remotes", workspace) == []
