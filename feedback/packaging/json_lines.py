"""JSON lines: one record per line."""

from collections.abc import Iterator
from typing import IO

from feedback.limits import SHOWN, SizeLimitSettings
from feedback.packaging.raw import RawRecord, too_large_record


def records(stream: IO[bytes], limits: SizeLimitSettings) -> Iterator[RawRecord]:
    """The lines that are not blank, as they are."""
    number, most = 0, limits.record_bytes + 1  # with the end of the line
    while line := stream.readline(most):
        number += 1
        if len(line) == most and not line.endswith(b"\n"):
            size = len(line) + _skipped(stream)
            yield too_large_record(number, line[:SHOWN], size, limits)
        elif stripped := line.strip():
            yield RawRecord(number, stripped)


def _skipped(stream: IO[bytes]) -> int:
    """Go to the end of the line; the number of bytes to it."""
    count = 0
    while block := stream.readline(1 << 20):
        count += len(block)
        if block.endswith(b"\n"):
            return count - 1
    return count
