"""The inbox has nothing that a round would skip or stumble over."""

import os
from collections.abc import Iterator
from pathlib import Path

from core.errors import BadFeedback
from feedback import packaging
from tasks.doctor.diagnosis import Diagnosis, error, path, rounds, warning
from tasks.state import inbox
from tasks.state.workspace import Workspace


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """Pipes, dangling links, folders, files that cannot be read, and files that no round reads."""
    entries = sorted(workspace.inbox.iterdir()) if workspace.inbox.is_dir() else []
    for entry in entries:
        if entry != workspace.taken and not entry.name.startswith("."):
            yield from _entry(workspace, entry)


def _entry(workspace: Workspace, entry: Path) -> Iterator[Diagnosis]:
    outside = path(workspace.root.parent / entry.name)
    if entry.is_symlink() and not entry.exists():
        yield warning(f"{entry} is a link to a file that does not exist", f"rm -- {path(entry)}")
    elif entry.is_dir():
        command = f"mv -n -- {path(entry)} {outside} && {rounds(workspace, f'feedback import {outside}')}"
        yield warning(f"{entry} is a folder; files in it are not read", command)
    elif not entry.is_file():
        yield error(f"{entry} is no regular file, and reading it could wait for ever", f"rm -- {path(entry)}")
    elif entry.is_symlink():
        yield warning(f"{entry} is a link, and links are not followed", f"rm -- {path(entry)}")
    elif not inbox.is_readable(entry):
        yield error(f"the name of {entry} is not UTF-8, so no round reads it; rename it")
    elif not os.access(entry, os.R_OK):
        yield error(f"{entry} cannot be read", f"chmod u+r -- {path(entry)}")
    elif not packaging.is_named_as_records(entry.name):
        command = f"mv -n -- {path(entry)} {outside} && {rounds(workspace, f'feedback import {outside}')}"
        yield warning(f"{entry} has no name of a file of records, so no round reads it", command)
    elif fault := _fault(entry):
        yield error(f"{fault}; no round opens until it is moved away", f"mv -n -- {path(entry)} {outside}")


def _fault(entry: Path) -> str | None:
    """Why the file as a whole cannot be read, by its beginning."""
    try:
        packaging.detect(entry)
    except BadFeedback as reason:
        return str(reason)
    return None
