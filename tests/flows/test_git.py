"""A workspace in a git repository."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from core.errors import BadWorkspace
from tasks.state.steps import STEPS
from tasks.state.workspace import PROJECT, SHIPPED, Workspace
from tasks.tools import git as committing
from tasks.tools.versioning import DataGraph
from tests.workspaces import moved


def git(root: Path, *words: str) -> str:
    who = ("-c", "user.name=Ana", "-c", "user.email=ana@example.org")
    return subprocess.run(["git", *who, *words], cwd=root, capture_output=True, text=True, check=True).stdout


def repository(workspace: Workspace) -> Path:
    """The workspace's folder as a clone of the project in which nothing but what is shipped was committed."""
    git(workspace.root, "init", "--quiet")
    shutil.copyfile(PROJECT / ".gitignore", workspace.root / ".gitignore")
    shutil.copyfile(PROJECT / ".dvc/.gitignore", workspace.root / ".dvc/.gitignore")
    git(workspace.root, "add", ".gitignore", ".dvc/.gitignore", *SHIPPED)
    git(workspace.root, "commit", "--quiet", "--message", "The project")
    return workspace.root


def test_a_round_leaves_the_status_of_a_clone_clean(continued: Workspace) -> None:
    root = repository(continued)
    assert (root / "dvc.lock").exists()
    assert git(root, "status", "--porcelain") == ""


def test_what_git_ignores_is_versioned_all_the_same(continued: Workspace) -> None:
    """DVC asks git by default, and refuses a dvc.lock or `.dvc` file that is ignored."""
    data = DataGraph(repository(continued))
    assert [step for step in STEPS if not data.done(step)] == []
    [kept] = yaml.safe_load((continued.data / "previous.dvc").read_text())["outs"]
    assert data.keep("data/previous") == kept["md5"]


def test_a_lock_that_git_ignores_cannot_be_committed(finished: Workspace, tmp_path: Path) -> None:
    root = repository(moved(finished, tmp_path / "workspace"))
    with pytest.raises(BadWorkspace, match=r"git ignores dvc\.lock in .*\.gitignore"):
        committing.check(root)
    (root / ".gitignore").write_text("/data/\n")
    git(root, "config", "user.name", "Ana")
    git(root, "config", "user.email", "ana@example.org")
    committing.check(root)
    committing.commit(root, "Round 1")
    assert "dvc.lock" in git(root, "show", "--stat", "HEAD")
