"""Restoring a backup: every digest is checked first, and the workspace appears when it is complete."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from core.errors import BadWorkspace, Damaged
from core.files import recover
from tasks.history.backup import copying, manifest
from tasks.history.backup.contents import CACHE
from tasks.history.backup.manifest import CONTENT, BackupManifest
from tasks.state.choosing import planned
from tasks.state.lock import holding
from tasks.state.workspace import PROJECT, Workspace


class Restored(NamedTuple):
    """A workspace that was restored."""

    manifest: BackupManifest
    workspace: Workspace
    replaced: Path | None
    """Where the workspace is now that was there before; None if there was none."""


def restore(folder: Path, target: Path, replace: bool = False) -> Restored:
    """Make a workspace of a backup. Killed at any point, it can be run again.

    Args:
        folder: the backup.
        target: where the workspace will be: a new or empty folder; with `replace`, also an existing workspace.
        replace: whether an existing workspace is moved aside.

    Raises:
        NotFound: `folder` is no backup.
        Damaged: a file of the backup is missing or differs from what was saved.
        BadWorkspace: the target is not empty and `replace` is false, or it cannot be replaced.
        RoundBusy: a round runs in the workspace that would be replaced.
        Unwritable: the disk is full, or the target cannot be written. Nothing is left behind then.
    """
    target = target.resolve()
    occupied = _check_target(folder, target, replace)
    saved = manifest.verify(folder)
    alone = holding(Workspace(target).lock, "a restoration") if occupied else nullcontext()
    with alone, copying.explaining(target, folder):
        copying.check_space(target, saved.bytes)
        with _drafted(target) as draft:
            _fill(folder, saved, draft)
            replaced = _put(draft, target, occupied)
    return Restored(saved, Workspace(target), replaced)


def _check_target(folder: Path, target: Path, replace: bool) -> bool:
    """Whether a workspace is there already, which may be replaced."""
    if target == PROJECT:
        raise BadWorkspace(
            f"{target} is the folder of the code, which a backup cannot replace; name another folder with "
            "`--workspace FOLDER`, and set ROUNDS_WORKSPACE to it"
        )
    planned(target)
    if not target.exists() or not any(target.iterdir()):
        return False
    if not replace:
        raise BadWorkspace(
            f"{target} is not empty; name a new folder, or move the workspace that is there aside with "
            f"`rounds restore {quote(str(folder))} --workspace {quote(str(target))} --replace`"
        )
    return True


@contextmanager
def _drafted(target: Path) -> Iterator[Path]:
    """A folder beside the target, which is removed unless it was renamed; what a kill left is removed too."""
    copying.make_folder(target.parent)
    recover(target)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", suffix=".draft", dir=target.parent) as folder:
        yield Path(folder) / target.name


def _fill(folder: Path, saved: BackupManifest, draft: Path) -> None:
    """Copy the files, and compare each with its digest once more: a disk may fail between the two."""
    for name, sha256 in saved.of_workspace().items():
        if copying.copy_file(folder / CONTENT / name, draft / name) != sha256:
            raise Damaged(f"{folder / CONTENT / name} differs from what was saved; use another backup")
        if name.startswith(f"{CACHE}/"):
            (draft / name).chmod(0o444)  # as DVC protects what it has verified
    for name in saved.folders:
        copying.make_folder(draft / name)


def _put(draft: Path, target: Path, occupied: bool) -> Path | None:
    """Rename the complete workspace to its place; returns where the one is that was there."""
    if not occupied:
        draft.rename(target)  # also onto an empty folder
        return None
    aside = target.with_name(f"{target.name}.replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    target.rename(aside)
    draft.rename(target)
    return aside
