"""Every process below this one, however far, and the end of all of them. Linux only; imports nothing but Python.

Only direct children are signalled: the number of a child cannot be another process's until this process has waited for
it. A process whose parent ends becomes a child of this one, so each level of a tree is reached in its turn.
"""

import ctypes
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")

SUBREAPER, DEATH_SIGNAL = 36, 1
"""PR_SET_CHILD_SUBREAPER and PR_SET_PDEATHSIG of linux/prctl.h."""

_PARENT, _STARTED = 1, 19
"""Fields of /proc/PID/stat, counted from the state, which follows the name of the program."""

_PAUSE = 0.02
"""Seconds between two looks at children that end."""


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, also of one in a session of its own.

    Raises:
        OSError: the system is not Linux, or older than 3.4.
    """
    _prctl(SUBREAPER, 1)


def end_with_parent() -> None:
    """Be killed when the thread that started this process ends. Survives `exec`; called between fork and exec."""
    _prctl(DEATH_SIGNAL, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def children() -> list[int]:
    """The direct children of this process, those that have ended and were not waited for included."""
    own = os.getpid()
    numbers = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal())
    return sorted(number for number in numbers if _field(number, _PARENT) == own)


def started(number: int) -> int | None:
    """When a process started, in clock ticks since the machine did; None if there is none of this number.

    Two processes of one number differ in it, so it tells a process from a later one that has its number.
    """
    return _field(number, _STARTED)


def _field(number: int, field: int) -> int | None:
    try:
        text = (PROC / str(number) / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(text.rpartition(b")")[2].split()[field])  # the name, in brackets, may hold blanks and brackets


def end_children(grace: float) -> None:
    """End every process below this one: SIGTERM, then, after `grace` seconds, SIGKILL until none is left.

    A process that becomes a child meanwhile, because its parent has ended, gets the same signals.
    """
    deadline = time.monotonic() + grace
    asked: set[int] = set()
    while _wait_for_ended():
        late = time.monotonic() >= deadline
        for child in children():
            if late or child not in asked:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL if late else signal.SIGTERM)
                asked.add(child)
        time.sleep(_PAUSE)


def _wait_for_ended() -> bool:
    """Release children that have ended; False if there is no child left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True
