"""Which processes hold locks of the workspace, and since when."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import psutil

from tasks.doctor.diagnosis import Diagnosis, note, path, warning
from tasks.state.lock import holder
from tasks.state.workspace import Workspace

LONG = 86400.0
"""Seconds. A lock that is held longer is worth a look."""


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """Locks that are held, and DVC's locks of processes that have ended."""
    for lock in (workspace.lock, workspace.registry_lock, workspace.blame_lock, workspace.mlflow_lock):
        if who := holder(lock):
            since = lock.stat().st_mtime
            age = datetime.now(UTC).timestamp() - since
            text = f"{who} holds {workspace.name(lock)} since {datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M} UTC"
            yield warning(f"{text}, longer than a day") if age > LONG else note(text)
    if holder(workspace.lock) is None:
        yield from _dvc(workspace)


def _dvc(workspace: Workspace) -> Iterator[Diagnosis]:
    locks = workspace.root / ".dvc/tmp/rwlock"
    try:
        entries = json.loads(locks.read_text(encoding="utf-8")) if locks.exists() else {}
        readers = [reader for paths in entries.get("read", {}).values() for reader in paths]
        holders = [*entries.get("write", {}).values(), *readers]
        dead = sorted({entry["pid"] for entry in holders if not psutil.pid_exists(entry["pid"])})
    except (ValueError, KeyError, TypeError, AttributeError):
        yield note(f"{locks} is half written; the next round removes it", f"rm -- {path(locks)}")
        return
    if dead:
        yield note(
            f"{locks} names a process that has ended ({dead[0]}); the next round removes it", f"rm -- {path(locks)}"
        )
