"""The git repository of a workspace, to which a round commits dvc.lock with `versioning.commit`."""

import subprocess
from pathlib import Path

from core.errors import BadWorkspace


def check(root: Path) -> None:
    """Check before a round is opened that dvc.lock can be committed.

    Raises:
        BadWorkspace: there is no repository, git ignores dvc.lock, or git has no committer identity.
    """
    if not (root / ".git").exists():
        raise BadWorkspace(f"versioning.commit: {root} is not a git repository; create one with `git init`")
    if _ignored(root, "dvc.lock"):
        raise BadWorkspace(
            f"versioning.commit: git ignores dvc.lock in {root}; remove it from .gitignore (the project's "
            "checkout ignores it on purpose: use a workspace with its own repository)"
        )
    _git(root, "var", "GIT_COMMITTER_IDENT")  # fails if git has no committer identity


def commit(root: Path, message: str) -> None:
    """Commit dvc.lock if it changed.

    Raises:
        BadWorkspace: git fails; the message has git's output.
    """
    _git(root, "add", "dvc.lock")
    if _git(root, "status", "--porcelain", "--", "dvc.lock"):
        _git(root, "commit", "--quiet", "--message", message, "--", "dvc.lock")


def _ignored(root: Path, path: str) -> bool:
    done = subprocess.run(["git", "check-ignore", "--quiet", path], cwd=root, check=False)
    return done.returncode == 0


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BadWorkspace(
            f"versioning.commit: `git {' '.join(arguments)}` failed in {root}; correct that, or set "
            f"versioning.commit=false: {done.stderr.strip()}"
        )
    return done.stdout
