"""File locks, such as the one that allows one round at a time. A lock ends with the process that holds it."""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO

from core.errors import RoundBusy

ROUND = ".lock"
"""Name of the lock of a round, for which alone `rounds round` can be told to wait."""


@contextmanager
def holding(path: Path, who: str, wait: float = 0.0) -> Iterator[Callable[[str], None]]:
    """Hold the lock while the block runs. The kernel releases it when the process ends, also after SIGKILL.

    The block receives a function that changes the holder's description in the lock file.

    Args:
        path: the lock file; holds the description and process id of its holder, for error messages.
        who: the description, such as "round 3".
        wait: timeout in seconds.

    Raises:
        RoundBusy: another process still holds it after the timeout; names the holder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # "a+" neither truncates the current holder's description nor fails if the file is missing
    with path.open("a+", encoding="utf-8") as stream:
        _acquire(stream.fileno(), path, time.monotonic() + wait)
        announce = partial(_announce, stream)
        announce(who)
        yield announce


def holder(path: Path) -> str | None:
    """Description of the process that holds the lock, None if it is free. Does not keep the lock."""
    if not path.exists():
        return None
    with path.open(encoding="utf-8") as stream:
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _holder(path)
    return None


def _announce(stream: TextIO, who: str) -> None:
    stream.truncate(0)
    stream.write(json.dumps({"who": who, "pid": os.getpid()}))
    stream.flush()


def _acquire(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                workspace = path.parent.parent
                waiting = ", or wait for it with `rounds round --wait SECONDS`" if path.name == ROUND else ""
                raise RoundBusy(
                    f"{_holder(path)} is running in {workspace}; try again when it has ended{waiting}"
                ) from None
            time.sleep(0.2)
        else:
            return


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # the holder has not written its description yet
        return "another process"
    return f"{holder['who']} (process {holder['pid']})"
