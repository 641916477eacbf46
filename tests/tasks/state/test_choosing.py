"""Which folders can be workspaces."""

import os
from pathlib import Path

import pytest

from core.errors import BadWorkspace
from tasks.state.choosing import at, current, planned


def test_a_path_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    with pytest.raises(BadWorkspace, match="not UTF-8"):
        planned(folder)
    assert not folder.exists()


def test_odd_characters_in_a_path_are_allowed(tmp_path: Path) -> None:
    folder = tmp_path / "a ?b%20c#d é"
    assert at(folder).graph.exists()


@pytest.mark.parametrize(("mode", "expected"), [(0o2770, 0o660), (0o755, 0o600)])
def test_every_command_shares_new_files_as_the_workspace_is_shared(tmp_path: Path, mode: int, expected: int) -> None:
    workspace = at(tmp_path / "w")
    workspace.root.chmod(mode)
    before = os.umask(0o077)
    try:
        file = current(workspace.root).data / "new"
        file.touch()
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == expected
