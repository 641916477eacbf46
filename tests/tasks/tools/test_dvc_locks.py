"""DVC's list of locks: a dead holder's lock is removed, a living one's stays."""

import json
import os
import time
from pathlib import Path

from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tasks.tools.versioning import DataGraph


def stale(root: Path, pid: int, age: float) -> Path:
    """DVC's list of locks, left by a process that was killed `age` seconds ago."""
    locks = root / ".dvc" / "tmp" / "rwlock"
    locks.parent.mkdir(exist_ok=True)
    locks.write_text(json.dumps({"write": {str(root / "data/previous"): {"pid": pid, "cmd": "dvc"}}, "read": {}}))
    os.utime(locks, (time.time() - age,) * 2)
    return locks


def test_dvcs_own_locks_do_not_outlive_their_holder(workspace: Workspace) -> None:
    """Also if another process has the same id by now, or the list is half written."""
    workspace.previous.mkdir()
    data = DataGraph(workspace.root)
    stale(workspace.root, os.getpid(), age=24 * 3600)
    data.repair()
    data.keep("data/previous")
    stale(workspace.root, 2**22 + 1, age=0)  # above the maximum process id of Linux
    data.repair()
    data.keep("data/previous")
    stale(workspace.root, 1, age=0).write_text('{"write": {"data/pre')
    data.repair()
    data.keep("data/previous")


def test_a_living_holder_of_dvcs_locks_keeps_them(workspace: Workspace) -> None:
    locks = stale(workspace.root, 1, age=0)
    DataGraph(workspace.root).repair()
    assert locks.exists()


def test_locks_that_dvc_is_about_to_write_are_left_alone(workspace: Workspace) -> None:
    locks = stale(workspace.root, 2**22 + 1, age=0)
    with holding(locks.with_name("rwlock.lock"), "DVC"):
        DataGraph(workspace.root).repair()
    assert locks.exists()
