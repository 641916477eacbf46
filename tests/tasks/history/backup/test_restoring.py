"""A restored workspace is the one that was saved, at any path; nothing is half restored."""

import os
from pathlib import Path

import pytest

from core.errors import BadWorkspace, Damaged, RoundBusy
from core.files import digest
from tasks.history.backup import copying
from tasks.history.backup.making import backup
from tasks.history.backup.restoring import restore
from tasks.state.lock import holding
from tasks.state.workspace import PROJECT, Workspace
from tests.tasks.history.backup.fork import killed_at, with_a_full_disk


@pytest.fixture
def saved(workspace: Workspace, tmp_path: Path) -> Path:
    """A backup of a workspace in which no round has run, with two files in its inbox and an empty folder."""
    workspace.inbox.mkdir()
    for second, name in enumerate(("b.jsonl", "a.jsonl")):
        (workspace.inbox / name).write_text("{}\n")
        os.utime(workspace.inbox / name, (second, second))
    workspace.champion.mkdir()
    backup(workspace, tmp_path / "saved")
    return tmp_path / "saved"


def test_files_times_and_empty_folders_are_as_they_were(workspace: Workspace, saved: Path, tmp_path: Path) -> None:
    restored = restore(saved, tmp_path / "new").workspace
    assert [(restored.inbox / name).stat().st_mtime for name in ("b.jsonl", "a.jsonl")] == [0, 1]
    assert restored.champion.is_dir()
    for name in ("dvc.yaml", "params.yaml", ".dvc/config", "data/workspace.json"):
        assert (restored.root / name).read_bytes() == (workspace.root / name).read_bytes()


def test_an_occupied_place_is_kept_unless_it_is_replaced(workspace: Workspace, saved: Path, tmp_path: Path) -> None:
    workspace.params.write_text("seed: 7\n")
    with pytest.raises(BadWorkspace, match="--replace"):
        restore(saved, workspace.root)
    with holding(workspace.lock, "round 7"), pytest.raises(RoundBusy, match="round 7"):
        restore(saved, workspace.root, replace=True)
    result = restore(saved, workspace.root, replace=True)
    assert result.replaced is not None
    assert result.replaced.parent == tmp_path
    assert (result.replaced / "params.yaml").read_text() == "seed: 7\n"
    assert workspace.params.read_text() != "seed: 7\n"


def test_what_is_no_workspace_is_never_replaced(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/thesis.tex").touch()
    with pytest.raises(BadWorkspace):
        restore(saved, tmp_path / "other", replace=True)
    with pytest.raises(BadWorkspace, match="ROUNDS_WORKSPACE"):
        restore(saved, PROJECT, replace=True)
    assert (tmp_path / "other/thesis.tex").exists()


def test_a_damaged_backup_is_refused_before_anything_is_touched(
    workspace: Workspace, saved: Path, tmp_path: Path
) -> None:
    (saved / "workspace/dvc.yaml").write_text("stages: {}\n")
    before = digest(workspace.root)
    with pytest.raises(Damaged, match=r"dvc\.yaml"):
        restore(saved, workspace.root, replace=True)
    assert digest(workspace.root) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["saved", "workspace"]


@pytest.mark.parametrize("occupied", [False, True])
@pytest.mark.parametrize(("owner", "name", "count"), [(copying, "copy_file", 3), (Path, "rename", 1)])
def test_a_killed_restoration_leaves_the_old_or_nothing_and_can_be_repeated(
    workspace: Workspace, saved: Path, tmp_path: Path, occupied: bool, owner: object, name: str, count: int
) -> None:
    target = workspace.root if occupied else tmp_path / "new"
    before = digest(workspace.inbox)
    killed_at(owner, name, count, lambda: restore(saved, target, replace=True))
    assert target.exists() == occupied
    assert digest(workspace.inbox) == before
    restore(saved, target, replace=True)
    assert digest(target / "dvc.yaml") == digest(saved / "workspace/dvc.yaml")
    assert not [*tmp_path.glob(".*")]


def test_killed_between_its_two_renames_both_workspaces_are_whole(
    workspace: Workspace, saved: Path, tmp_path: Path
) -> None:
    before = digest(workspace.inbox)
    killed_at(Path, "rename", 2, lambda: restore(saved, workspace.root, replace=True))
    [aside] = tmp_path.glob("workspace.replaced-*")
    assert digest(aside / "data/inbox") == before
    assert not workspace.root.exists()
    restore(saved, workspace.root)
    assert workspace.graph.exists()


def test_a_full_disk_is_an_error_and_nothing_is_left(workspace: Workspace, saved: Path, tmp_path: Path) -> None:
    with_a_full_disk(100, lambda: restore(saved, tmp_path / "new"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["saved", "workspace"]
