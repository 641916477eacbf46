"""Files and folders that killed processes left."""

import time
from collections.abc import Iterator

from core.files import leftovers
from tasks.doctor.diagnosis import Diagnosis, error, note, path
from tasks.state.lock import holder
from tasks.state.workspace import Workspace

OLD = 3600.0
"""Seconds. A younger draft may belong to a running process."""


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """Drafts, old folders whose successor is missing, and what a restoration moved aside."""
    if holder(workspace.lock):
        return  # a running round has drafts
    for left, target in leftovers(workspace.data):
        if left.name.endswith(".old") and not target.exists():
            yield error(
                f"{target} is missing: a process was killed while it was replaced", f"mv -- {path(left)} {path(target)}"
            )
        elif left.name.endswith(".old") or left.stat().st_mtime < time.time() - OLD:
            yield note(f"{left} was left by a killed process", f"rm -r -- {path(left)}")
    for left in sorted(workspace.root.parent.glob(f".{workspace.root.name}.????????.draft")):
        yield note(f"{left} was left by a killed restoration", f"rm -r -- {path(left)}")
