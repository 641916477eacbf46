"""Files of the workspace belong to one user, who can write them, and others cannot read them."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from tasks.doctor.diagnosis import Diagnosis, error, note, path, warning
from tasks.state.workspace import Workspace

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """Foreign owners, files that cannot be written, and files with people's texts that everybody can read."""
    root, data = workspace.root, workspace.data
    if not os.access(root, os.W_OK | os.X_OK):
        yield note(f"{root} is read-only here: rounds run elsewhere")
        return
    entries = [entry for entry in _entries(workspace) if not entry.is_symlink()]
    owner = root.stat().st_uid
    if foreign := [entry for entry in entries if entry.stat().st_uid != owner]:
        command = f"chown -R --reference={path(root)} {path(data)}"
        yield warning(
            f"{len(foreign)} files belong to another user than the workspace, such as {foreign[0]}",
            command,
        )
    if locked := [entry for entry in entries if entry.is_dir() and not os.access(entry, os.W_OK | os.X_OK)]:
        yield error(f"{locked[0]} cannot be written", f"chmod -R u+rwX {path(data)}")
    if data.is_dir() and data.stat().st_mode & OTHERS:
        yield warning(f"other users of this machine can read {data}", f"chmod -R go= {path(data)}")


def _entries(workspace: Workspace) -> list[Path]:
    """Data and databases; the DVC cache and MLflow's artifacts are not looked through."""
    files = [file for file in (workspace.database, workspace.recorded) if file.exists()]
    return [*files, *workspace.data.rglob("*")]
