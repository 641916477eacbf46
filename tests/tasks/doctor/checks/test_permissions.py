import os
from pathlib import Path

import pytest

from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.tasks.doctor.cures import diagnoses, mended


def test_data_that_everybody_can_read(rounds: Rounds, workspace: Workspace) -> None:
    workspace.data.chmod(0o755)
    mended("permissions", workspace, rounds, "warning")
    assert diagnoses("permissions", workspace) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file to another user")
def test_a_file_of_another_user(rounds: Rounds, workspace: Workspace) -> None:
    workspace.data.chmod(0o700)
    file = workspace.data / "a"
    file.touch()
    os.chown(file, 12345, -1)
    assert str(file) in mended("permissions", workspace, rounds, "warning").text
    assert diagnoses("permissions", workspace) == []


def test_a_link_to_nothing_is_no_error(workspace: Workspace, tmp_path: Path) -> None:
    workspace.data.chmod(0o700)
    (workspace.data / "gone").symlink_to(tmp_path / "nothing")
    assert diagnoses("permissions", workspace) == []
