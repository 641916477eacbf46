"""The log file of a service. It cannot fill the disk: beyond a size it becomes `NAME.1`, in place of the one before."""

import os
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

LIMIT = 10_000_000
"""Bytes of one file. A service has at most two: the current one and the one before."""

_BLOCK = 8192
"""Bytes read at a time from the end of a log."""


class LogFile:
    """A file that output is appended to. What cannot be written (the disk is full) is dropped."""

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self._path = path
        self._limit = limit
        self._file = self._opened()

    def write(self, data: bytes) -> None:
        """Append output, which never ends the service that wrote it."""
        try:
            if self._file.tell() + len(data) > self._limit:
                self._rotate()
            self._file.write(data)
        except OSError:
            return

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        self._file = BytesIO()  # in case the new one cannot be opened
        self._path.replace(before(self._path))
        self._file = self._opened()

    def _opened(self) -> BinaryIO:
        file = self._path.open("ab", buffering=0)
        file.seek(0, os.SEEK_END)
        return file


def before(path: Path) -> Path:
    """Where the log was moved to when it had reached its limit."""
    return path.with_name(f"{path.name}.1")


def tail(path: Path, lines: int) -> list[str]:
    """The last lines of a log that are not empty; none if there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _BLOCK))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()][-lines:]
