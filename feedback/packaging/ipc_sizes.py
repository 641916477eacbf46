"""How large the compressed buffers of an Arrow file become, read from its messages before pyarrow decompresses them.

A message is a table of FlatBuffers (https://arrow.apache.org/docs/format/Columnar.html). pyarrow verifies it when the
message is read, and has no function for the sizes: a buffer begins with its decompressed size, 8 bytes.
"""

import struct
from collections.abc import Iterator
from typing import IO

import pyarrow as pa

from core.errors import BadFeedback

_DICTIONARY, _RECORDS = 2, 3
"""Types of messages."""
_TYPE, _HEADER = 1, 2
"""Fields of a message."""
_DATA = 1
"""Field of a dictionary: its values, as records."""
_BUFFERS, _COMPRESSION = 2, 3
"""Fields of records."""


def batch_sizes(stream: IO[bytes]) -> Iterator[int]:
    """Decompressed bytes of each message of a stream: of records, or of a dictionary.

    Raises:
        BadFeedback: a message is damaged.
    """
    messages = pa.ipc.MessageReader.open_stream(pa.PythonFile(stream, mode="r"))  # a reader closes what it reads from
    while (message := _next(messages)) is not None:
        try:
            yield _size(memoryview(message.metadata), message.body)
        except (IndexError, struct.error) as error:
            raise BadFeedback(f"the file is damaged (a message of Arrow: {error}); download it again") from error


def _next(messages: pa.ipc.MessageReader) -> pa.ipc.Message | None:
    try:
        return messages.read_next_message()
    except StopIteration:
        return None


def _size(metadata: memoryview, body: pa.Buffer | None) -> int:
    message = _Table(metadata, _unsigned(metadata, 0))
    records = message.table(_HEADER)
    if records is not None and message.byte(_TYPE) == _DICTIONARY:
        records = records.table(_DATA)
    elif message.byte(_TYPE) != _RECORDS:
        return 0
    if records is None or body is None:
        return 0
    view = memoryview(body)
    if records.table(_COMPRESSION) is None:
        return len(view)
    return sum(max(length, _decompressed(view, start, length)) for start, length in records.pairs(_BUFFERS))


def _decompressed(body: memoryview, start: int, length: int) -> int:
    """-1 stands for a buffer that is not compressed."""
    return int(struct.unpack_from("<q", body, start)[0]) if length else 0


def _unsigned(data: memoryview, at: int) -> int:
    return at + int(struct.unpack_from("<I", data, at)[0])


class _Table:
    """A table of FlatBuffers."""

    def __init__(self, data: memoryview, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - int(struct.unpack_from("<i", data, at)[0])

    def table(self, field: int) -> "_Table | None":
        """The table in a field; None if it is not set."""
        place = self._place(field)
        return None if place is None else _Table(self._data, _unsigned(self._data, place))

    def byte(self, field: int) -> int:
        """The number in a field of one byte; 0 if it is not set."""
        place = self._place(field)
        return 0 if place is None else self._data[place]

    def pairs(self, field: int) -> Iterator[tuple[int, int]]:
        """The structs of two whole numbers of 8 bytes in a field."""
        place = self._place(field)
        if place is not None:
            start = _unsigned(self._data, place)
            (count,) = struct.unpack_from("<I", self._data, start)
            for ix in range(count):
                first, second = struct.unpack_from("<qq", self._data, start + 4 + 16 * ix)
                yield first, second

    def _place(self, field: int) -> int | None:
        (size,) = struct.unpack_from("<H", self._data, self._fields)
        slot = 4 + 2 * field
        if slot >= size:
            return None
        (offset,) = struct.unpack_from("<H", self._data, self._fields + slot)
        return self._at + offset if offset else None
