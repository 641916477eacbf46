"""Processes that a `rounds up` has left, where the kernel killed it and its keepers at once (`killall -9 python`).

Each session has a mark, which its services have in their environment and all of their descendants inherit; a process
that has it is none of a stranger. Linux only.
"""

import os
import secrets
import signal
import time
from collections.abc import Collection, Mapping
from contextlib import suppress

from core.descendants import PROC

VARIABLE = "ROUNDS_SERVICES"
"""Variable of the environment with the mark of the session."""

_PAUSE = 0.05
"""Seconds between two looks at processes that end."""

_KILLING = 5.0
"""Seconds for the kernel to end processes that were killed."""


def new_mark() -> str:
    """The mark of a session that starts."""
    return secrets.token_hex(16)


def marked(environment: Mapping[str, str], mark: str) -> dict[str, str]:
    """The environment of a service, with the mark of its session."""
    return {**environment, VARIABLE: mark}


def running(marks: Collection[str]) -> list[int]:
    """The processes with one of these marks, but for this one and those that have ended.

    Those of other users are not seen: their environment cannot be read.
    """
    numbers = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal())
    return sorted(number for number in numbers if number != os.getpid() and _has(number, marks))


def end(marks: Collection[str], grace: float) -> bool:
    """End the processes with one of these marks; False if there are none.

    They get SIGTERM, and SIGKILL after `grace` seconds. One that does not end even then stays in `running`.
    """
    deadline = time.monotonic() + grace
    asked: set[int] = set()
    while (found := running(marks)) and time.monotonic() < deadline + _KILLING:
        late = time.monotonic() >= deadline
        for number in found:
            if late or number not in asked:
                _signal(number, marks, signal.SIGKILL if late else signal.SIGTERM)
        asked.update(found)
        time.sleep(_PAUSE)
    return bool(asked)


def _has(number: int, marks: Collection[str]) -> bool:
    """Whether a process has one of the marks; one that has ended has no environment."""
    try:
        entries = (PROC / str(number) / "environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or belongs to another user
        return False
    return any(f"{VARIABLE}={mark}".encode() in entries for mark in marks)


def _signal(number: int, marks: Collection[str], kind: signal.Signals) -> None:
    """Signal a process, and no later one with its number: its mark is read while a handle holds the process."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(number)
        try:
            if _has(number, marks):
                signal.pidfd_send_signal(handle, kind)
        finally:
            os.close(handle)
