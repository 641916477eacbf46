"""JSON lines: one record per line."""

from collections.abc import Iterator
from typing import IO

from feedback.packaging.raw import RawRecord


def records(stream: IO[bytes]) -> Iterator[RawRecord]:
    """The lines that are not blank, as they are."""
    for number, line in enumerate(map(bytes.strip, stream), start=1):
        if line:
            yield RawRecord(number, line)
