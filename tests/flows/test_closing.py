"""Failures while a round closes."""

import subprocess
from pathlib import Path

import pytest

from core.errors import BadWorkspace
from tasks.registry.alias import Registry
from tasks.state import records
from tasks.state.workspace import Workspace
from tasks.tools import git as committing
from tests.profile import PROMOTE, TINY
from tests.workspaces import run_round

pytestmark = pytest.mark.rounds

COMMIT = "versioning.commit=true"


def git(workspace: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=workspace, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(continued: Workspace) -> Workspace:
    """A workspace under git that knows its committer."""
    git(continued.root, "init", "--quiet")
    for name, value in (("user.name", "Ann"), ("user.email", "ann@example.org"), ("user.useConfigOnly", "true")):
        git(continued.root, "config", name, value)
    return continued


def test_a_refused_commit_leaves_the_round_open_and_it_goes_on(repository: Workspace) -> None:
    hook = repository.root / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not on a Friday >&2; exit 1\n")
    hook.chmod(0o755)
    with pytest.raises(BadWorkspace, match=r"round 2, closing: versioning\.commit: (?s:.*): not on a Friday\nFinished"):
        run_round(repository, [*TINY, PROMOTE, COMMIT])
    assert records.unfinished(repository)
    versions = [version.version for version in Registry(repository.root).versions("policy")]

    hook.unlink()
    record = run_round(repository, [*TINY, PROMOTE, COMMIT])
    assert record.number == 2
    assert git(repository.root, "log", "--format=%s").splitlines() == ["Round 2: promote"]
    assert [version.version for version in Registry(repository.root).versions("policy")] == versions
    committing.commit(repository.root, "again")  # nothing to commit is no error
    assert git(repository.root, "log", "--format=%s").splitlines() == ["Round 2: promote"]


def test_whose_commit_it_would_be_is_asked_before_a_round_opens(
    repository: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_COMMITTER_NAME", "")
    with pytest.raises(BadWorkspace, match="empty ident name"):
        committing.check(repository.root)
