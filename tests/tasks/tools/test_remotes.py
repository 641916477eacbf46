from pathlib import Path

import pytest

from core.errors import BadWorkspace
from tasks.state.workspace import Workspace
from tasks.tools.remotes import DvcSettings, RemoteState


def configure(workspace: Workspace, text: str) -> None:
    with (workspace.root / ".dvc/config").open("a") as config:
        config.write(text)


def state(workspace: Workspace, wanted: str | None) -> RemoteState | None:
    """The state of the remote that a round would push to; None if it pushes nothing."""
    settings = DvcSettings(workspace.root)
    name = settings.configured(wanted)
    return settings.state(name, 5, pushing=False) if name else None


def test_the_remote_that_a_round_would_push_to(workspace: Workspace, tmp_path: Path) -> None:
    assert state(workspace, None) is None
    configure(
        workspace, f"['remote \"store\"']\n    url = {tmp_path / 'remote'}\n['remote \"s\"']\n    url = gs://b/x\n"
    )
    assert state(workspace, None) is None
    assert state(workspace, "") is None
    assert state(workspace, "store") == ("store", str(tmp_path / "remote"), None, None)
    driver = state(workspace, "s")
    assert driver is not None
    assert driver.driver == "dvc-gs"
    with pytest.raises(BadWorkspace, match="nowhere"):
        state(workspace, "nowhere")


def test_looking_writes_nothing(workspace: Workspace) -> None:
    before = sorted((workspace.root / ".dvc").rglob("*"))
    state(workspace, None)
    assert DvcSettings(workspace.root).cache == workspace.root / ".dvc/cache"
    assert sorted((workspace.root / ".dvc").rglob("*")) == before


def test_the_cache_is_where_the_settings_say(workspace: Workspace, tmp_path: Path) -> None:
    configure(workspace, f"[cache]\n    dir = {tmp_path / 'shared'}\n")
    assert DvcSettings(workspace.root).cache == tmp_path / "shared"
