"""Which files of a workspace a backup has, and which it leaves out."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tasks.state.workspace import Workspace

SAVED = (
    "data",
    "mlruns",
    ".dvc/config",
    "dvc.yaml",
    "dvc.lock",
    "params.yaml",
    "params.yaml.bak",
    "serving.yaml",
    "guidelines.md",
    ".dvcignore",
)
"""Files and folders of a workspace that are saved, besides its databases and the DVC cache. All else at its root is
somebody else's: the default workspace is the project's checkout."""

OWN = {*SAVED, ".dvc", "mlflow.db", ".git", ".gitignore", "previous.dvc"}
"""Entries of a workspace's folder that are known; a backup names all others as left out."""

CACHE = ".dvc/cache"

_LOCK = re.compile(r"(\..*)?\.lock")
_DRAFT = re.compile(r"\..+\.draft")
"""What a process writes beside its target; never read by another."""


class Contents(NamedTuple):
    """The files of a workspace, as paths from its root."""

    files: tuple[str, ...]
    folders: tuple[str, ...]
    """Folders without files."""
    skipped: tuple[str, ...]
    """What was found and is not saved: one sentence each."""

    def bytes(self, workspace: Workspace) -> int:
        """The size of all files."""
        return sum((workspace.root / name).stat().st_size for name in self.files)


def contents(workspace: Workspace, cache: bool) -> Contents:
    """What is saved of a workspace, but for its databases.

    Args:
        workspace: the workspace.
        cache: whether the DVC cache in the workspace is included.
    """
    files, folders, skipped = [], [], []
    databases = _with_side_files(workspace.database, workspace.feedback_database)
    for path in _walk(workspace, (*SAVED, CACHE) if cache else SAVED):
        name = workspace.name(path)
        if path.is_dir():
            folders.append(name)
        elif path.is_file():
            if path not in databases and not _rebuilt(workspace, path):
                files.append(name)
        elif not _rebuilt(workspace, path):
            skipped.append(f"{name}, which is no regular file")
    return Contents(tuple(sorted(files)), tuple(sorted(folders)), tuple(sorted(skipped)))


def foreign(workspace: Workspace) -> list[str]:
    """Entries of the workspace's folder that no backup has, such as files that params.yaml names."""
    return sorted(path.name for path in workspace.root.iterdir() if path.name not in OWN)


def _walk(workspace: Workspace, tops: tuple[str, ...]) -> Iterator[Path]:
    """Every file below these paths, and every folder without files. Links are followed, each folder is seen once.

    What services keep (logs, and Prefect's list of runs, which owns no data) is left out.
    """
    seen: set[tuple[int, int]] = set()
    for top in (workspace.root / name for name in tops):
        if not top.is_dir():
            yield from [top] if os.path.lexists(top) else []
            continue
        for folder, below, names in os.walk(top, followlinks=True, onerror=_fail):
            facts = Path(folder).stat()
            if (facts.st_dev, facts.st_ino) in seen:
                below.clear()
                continue
            seen.add((facts.st_dev, facts.st_ino))
            below[:] = [
                name for name in below if not _DRAFT.fullmatch(name) and Path(folder, name) != workspace.services
            ]
            if not below and not names:
                yield Path(folder)
            yield from (Path(folder, name) for name in names)


def _fail(error: OSError) -> None:
    raise error


def _rebuilt(workspace: Workspace, path: Path) -> bool:
    """Whether the file is made again when it is needed: lock files, and the index of the inbox."""
    return path == workspace.inbox_index or bool(_LOCK.fullmatch(path.name))


def _with_side_files(*databases: Path) -> set[Path]:
    """The files of SQLite databases, which are saved in another way."""
    return {path.with_name(path.name + end) for path in databases for end in ("", "-wal", "-shm", "-journal")}
