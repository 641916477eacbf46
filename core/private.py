"""Files that hold texts of people are readable by their owner only, unless the workspace is shared with a group.

A workspace is shared by the set-group-ID bit of its folder (`chmod 2770`), which the owner sets on purpose. New files
get their rights from the umask of the process, in whichever library writes them. Folders that are wider, made by an
earlier version or by hand, are narrowed when the workspace is opened: a folder that nobody else may enter protects
everything below it.
"""

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

OWNER_ONLY, GROUP_TOO = 0o077, 0o007
"""Masks: the rights that are taken from new files."""


def make_new_files_private(root: Path | None = None) -> None:
    """Set the umask of this process.

    Args:
        root: the workspace; without one, new files are the owner's only.
    """
    os.umask(mask(root) if root else OWNER_ONLY)


def mask(root: Path) -> int:
    """The rights that nobody else has in a workspace: those of all others, and of its group if it is not shared."""
    try:
        shared = root.stat().st_mode & stat.S_ISGID
    except OSError:
        return OWNER_ONLY
    return GROUP_TOO if shared else OWNER_ONLY


def narrow(root: Path, paths: Iterable[Path], closed: Path) -> None:
    """Take the rights of others from files and folders of a workspace. Those of another owner stay as they are.

    Args:
        root: the workspace.
        paths: files and folders; what is below a folder is narrowed too, but only if the folder was wider.
        closed: a folder whose files keep their modes, because another program (DVC) sets them.
    """
    taken = mask(root)
    _take(closed, taken)
    for path in paths:
        if _take(path, taken) and path.is_dir():
            for below in path.rglob("*"):
                _take(below, taken)


def _take(path: Path, taken: int) -> bool:
    """True if the path had some of these rights."""
    with suppress(OSError):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode) or not stat.S_IMODE(mode) & taken:
            return False
        path.chmod(stat.S_IMODE(mode) & ~taken)
        return True
    return False
