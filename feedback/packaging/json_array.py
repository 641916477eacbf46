"""A JSON array of records, parsed while it is read: one record is in memory at a time, not the array."""

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from core.errors import BadFeedback
from feedback import json_text
from feedback.json_text import Decoded
from feedback.limits import SizeLimitSettings
from feedback.packaging.raw import RawRecord, as_json, limited

BLOCK = 1 << 16
"""Number of bytes read at a time."""
_SPACE = re.compile(r"[ \t\r\n]*")


def records(stream: IO[bytes], path: Path, limits: SizeLimitSettings) -> Iterator[RawRecord]:
    """The elements of the array, numbered from 1.

    Raises:
        BadFeedback: the text is not UTF-8, or not a JSON array; names the record, after which nothing can be read.
            So does one that is too large.
    """
    text = _Text(stream, path, limits.record_bytes)
    text.skip("[")
    number = 0
    while text.peek() != "]":
        number += 1
        value, written = text.value(number)
        if value.repeated is not None:  # as it is written: made again, it would have one of the values
            raw = written.encode(errors="backslashreplace")
            yield limited(RawRecord(number, raw, json_text.problem(value.repeated)), limits)
        else:
            raw = as_json(value.value) if isinstance(value.value, dict) else json.dumps(value.value).encode()
            yield limited(RawRecord(number, raw), limits)
        if text.peek() != "]":
            text.skip(",", number)
    text.skip("]")
    if text.peek():
        raise text.broken(number, "expected the end of the file after the array")


class _Text:
    """The text of a file from the place that has been read up to."""

    def __init__(self, stream: IO[bytes], path: Path, most: int) -> None:
        self._stream, self._path, self._most = stream, path, most
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._buffer, self._at, self._ended = "", 0, False

    def peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        while True:
            self._at = _SPACE.match(self._buffer, self._at).end()  # type: ignore[union-attr]  # the pattern also matches nothing, so there is a match
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more(BLOCK):
                return ""

    def skip(self, expected: str, number: int = 0) -> None:
        """Go past the next character."""
        if self.peek() != expected:
            raise self.broken(number, f"expected `{expected}`")
        self._at += 1

    def value(self, number: int) -> tuple[Decoded, str]:
        """The next JSON value, and its text."""
        self.peek()
        while True:
            try:
                value = json_text.decode(self._buffer, self._at)
            except RecursionError as error:
                raise self.broken(number, "nesting that is too deep") from error
            except ValueError as error:
                if (length := len(self._buffer) - self._at) > self._most:
                    reason = f"it does not end within {self._most:,} bytes, the limit ingest.limits.record_bytes"
                    raise self.broken(number, reason) from error
                if not self._more(max(BLOCK, length)):
                    raise self.broken(number, str(error).partition(": line")[0]) from error
                continue
            if value.end == len(self._buffer) and self._more(BLOCK):  # a number may go on in the next block
                continue
            written, self._at = self._buffer[self._at : value.end], value.end
            return value, written

    def broken(self, number: int, reason: str) -> BadFeedback:
        """The error about a record that is not JSON."""
        return BadFeedback(
            f"{self._path}: record {number or 1} of the JSON array is broken ({reason}); correct the file or download "
            "it again"
        )

    def _more(self, count: int) -> bool:
        """Read on; False at the end of the file."""
        block = self._stream.read(count)
        try:
            text = self._decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            raise BadFeedback(f"{self._path}: the text is not UTF-8; write it again in UTF-8") from error
        self._buffer, self._at = self._buffer[self._at :] + text, 0
        return bool(block)
