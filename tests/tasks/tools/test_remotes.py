from pathlib import Path

import pytest

from core.errors import BadWorkspace
from tasks.state.workspace import Workspace
from tasks.tools import remotes


def configure(workspace: Workspace, text: str) -> None:
    with (workspace.root / ".dvc/config").open("a") as config:
        config.write(text)


def test_the_remote_that_a_round_would_push_to(workspace: Workspace, tmp_path: Path) -> None:
    assert remotes.state(workspace.root, None, 5) is None
    configure(
        workspace, f"['remote \"store\"']\n    url = {tmp_path / 'remote'}\n['remote \"s\"']\n    url = s3://b/x\n"
    )
    assert remotes.state(workspace.root, None, 5) is None
    assert remotes.state(workspace.root, "", 5) is None
    assert remotes.state(workspace.root, "store", 5) == ("store", str(tmp_path / "remote"), None, None)
    driver = remotes.state(workspace.root, "s", 5)
    assert driver is not None
    assert driver.driver == "dvc-s3"
    with pytest.raises(BadWorkspace, match="nowhere"):
        remotes.state(workspace.root, "nowhere", 5)


def test_looking_writes_nothing(workspace: Workspace) -> None:
    before = sorted((workspace.root / ".dvc").rglob("*"))
    remotes.state(workspace.root, None, 5)
    assert remotes.cache(workspace.root) == workspace.root / ".dvc/cache"
    assert sorted((workspace.root / ".dvc").rglob("*")) == before


def test_the_cache_is_where_the_settings_say(workspace: Workspace, tmp_path: Path) -> None:
    configure(workspace, f"[cache]\n    dir = {tmp_path / 'shared'}\n")
    assert remotes.cache(workspace.root) == tmp_path / "shared"
