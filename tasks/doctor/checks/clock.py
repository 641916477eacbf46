"""The clock: nothing that was recorded lies in the future, and the audit log is in order of time."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from tasks.doctor.diagnosis import Diagnosis, path, warning
from tasks.registry import audit
from tasks.state.workspace import Workspace

TOLERANCE = 60.0
"""Seconds."""


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """Files and lines from the future, and lines out of order."""
    files = [workspace.opened, workspace.audit, *sorted(workspace.rounds.glob("*.json"))]
    for file in files:
        if file.exists() and file.stat().st_mtime > time.time() + TOLERANCE:
            yield warning(f"{file} was changed in the future: this machine's clock is behind", f"touch {path(file)}")
            break
    entries = audit.read(workspace.audit)
    tolerance = timedelta(seconds=TOLERANCE)
    if entries and datetime.fromisoformat(entries[-1].at) > datetime.now(UTC) + tolerance:
        yield warning(f"the last line of the audit log is from the future ({entries[-1].at}): set the clock")
    for before, after in pairwise(entries):
        if datetime.fromisoformat(after.at) < datetime.fromisoformat(before.at) - tolerance:
            yield warning(f"line {after.seq} of the audit log is older than line {before.seq}: the clock was set back")
            break
