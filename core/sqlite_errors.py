"""Errors of SQLite that the disk caused: the reason, which SQLite does not tell, and the cure.

SQLite reports `database or disk is full` if no block is free, and `disk I/O error` for everything else: a file beyond
the limit of its size, a quota, a disk that fails. What it is, is found by writing to the same folder.
"""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from core import outages

_BLOCK = 32_768
"""Bytes. The file that SQLite shares among processes (`-shm`) grows by as many."""

_OF_THE_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
"""Primary codes of the errors."""


class DiskProblem(NamedTuple):
    """What the disk refused."""

    reason: str
    cure: str


def disk_problem(error: BaseException, place: Path) -> DiskProblem | None:
    """What the disk refused when SQLite raised this error, or the error that caused it; None for other errors.

    Args:
        error: of SQLite, or of a library that uses it.
        place: the database, or a folder of databases.
    """
    said = next((cause for cause in outages.causes(error) if _is_of_the_disk(cause)), None)
    if said is None:
        return None
    refusal = _refusal(place)
    if refusal is None:  # there is room again, or there was none for temporary files, which may be on another disk
        return DiskProblem(str(said), "free some space on its disk and on that of /tmp, then type the command again")
    cure = outages.CURES.get(refusal.errno or 0, "have the disk checked")
    return DiskProblem(f"{said} ({refusal.strerror})", cure)


def _is_of_the_disk(error: BaseException) -> bool:
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _OF_THE_DISK


def _refusal(place: Path) -> OSError | None:
    """The error with which the folder refuses a file that is a block larger than the largest of SQLite's; or None.

    The file is empty up to that block, so it takes no more room than the block.
    """
    folder = place if place.is_dir() else place.parent
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.seek(max(_sizes(place), default=0))
            probe.write(bytes(_BLOCK))
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        return error
    return None


def _sizes(place: Path) -> Iterator[int]:
    files = place.rglob("*") if place.is_dir() else place.parent.glob(f"{place.name}*")
    return (file.stat().st_size for file in files if file.is_file())
