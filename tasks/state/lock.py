"""One round at a time: a lock on the workspace that ends with its holder."""

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


@contextmanager
def holding(path: Path, who: str, wait: float = 0.0) -> Iterator[Callable[[str], None]]:
    """Hold the lock while the block runs. The kernel releases it when the process ends, however it ends.

    The block gets a function that changes what others are told.

    Args:
        path: the lock file; it names its holder for others to read.
        who: what to tell the others.
        wait: seconds to wait for the present holder.

    Raises:
        RoundBusy: somebody else holds it; names who.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # "a+" neither truncates the present holder's name nor fails on a new file
    with path.open("a+", encoding="utf-8") as stream:
        _acquire(stream.fileno(), path, time.monotonic() + wait)
        announce = partial(_announce, stream)
        announce(who)
        yield announce


def holder(path: Path) -> str | None:
    """Who holds the lock now, None where nobody does; the lock stays where it is."""
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
                where = path.parent.parent
                raise RoundBusy(
                    f"{_holder(path)} is running in {where}; try again when it is through (`round --wait SECONDS` does)"
                ) from None
            time.sleep(0.2)
        else:
            return


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # the holder is about to write it
        return "another process"
    return f"{holder['who']} (process {holder['pid']})"
