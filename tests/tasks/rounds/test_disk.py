import shutil
from pathlib import Path

import pytest

from tasks.rounds.disk import room
from tasks.state.workspace import Workspace


def test_what_a_round_replaces_counts_as_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", {tmp_path: free}.__getitem__)
    workspace = Workspace(tmp_path / "new" / "workspace")
    assert room(workspace) == 1000  # of the folder in which it will be made
    for file, size in {workspace.checkpoint("policy") / "a": 5, workspace.training / "b" / "c": 7}.items():
        file.parent.mkdir(parents=True)
        file.write_bytes(bytes(size))
    monkeypatch.setattr(shutil, "disk_usage", {workspace.root: free}.__getitem__)
    assert room(workspace) == 1012
