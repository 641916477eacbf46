"""DVC's list of read and write locks, which a killed process leaves behind."""

import json
import math
from contextlib import suppress
from pathlib import Path

import psutil

from core.errors import RoundBusy
from tasks.state.lock import holding


def remove_stale(locks: Path) -> None:
    """Remove DVC's list of read and write locks if it is half written, or if none of its holders is alive.

    DVC frees the locks of dead processes itself, but it takes any process with the same id for the holder (common after
    a reboot or in a container), and fails on a half-written file. A process that started after the list was last
    written cannot be in it.
    """
    # under DVC's own lock of the list, because DVC may be writing it
    with suppress(RoundBusy), holding(locks.with_name("rwlock.lock"), "a check of DVC's locks"):
        if locks.exists() and not any(_start_time(pid) <= locks.stat().st_mtime for pid in _holders(locks)):
            locks.unlink()


def _holders(locks: Path) -> set[int]:
    """Ids of the processes in the list; empty if it is half written."""
    try:
        entries = json.loads(locks.read_text(encoding="utf-8"))
    except ValueError:
        return set()
    readers = [reader for paths in entries.get("read", {}).values() for reader in paths]
    return {holder["pid"] for holder in [*entries.get("write", {}).values(), *readers]}


def _start_time(pid: int) -> float:
    """Start time of a process in seconds since 1970; infinity if there is no such process."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return math.inf
