"""The levels of a Parquet schema, read from the footer before pyarrow opens the file.

pyarrow builds the schema recursively in C++: 20,000 levels, which take 100 kB, end the process with a segmentation
fault, and no exception can be caught. The footer is a struct in the compact protocol of Thrift.
"""

import os
from collections.abc import Iterator
from typing import IO

from core.errors import BadFeedback

_MAGIC = b"PAR1"
_SCHEMA = 2
"""Field of the footer: the list of schema elements, parents before their children."""
_CHILDREN = 5
"""Field of a schema element: the number of its children."""
_BOOLEANS, _NUMBERS, _BYTE, _DOUBLE, _BINARY, _LISTS, _MAP, _STRUCT = (1, 2), (4, 5, 6), 3, 7, 8, (9, 10), 11, 12
_DEEPEST = 32
"""Levels of structs in a footer; the format has fewer than 10."""


def schema_depth(file: IO[bytes]) -> int:
    """The number of levels below the root of the schema. The stream is left at its beginning.

    Raises:
        BadFeedback: the footer is damaged.
    """
    try:
        return max((_depth(elements) for elements in _schemas(_Compact(_footer(file)))), default=0)
    except (IndexError, ValueError) as error:
        raise BadFeedback("the file is damaged (it has no valid Parquet footer); download it again") from error


def _footer(file: IO[bytes]) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 8, 0))
    length, magic = int.from_bytes(file.read(4), "little"), file.read(4)
    if magic != _MAGIC or length > size - 12:
        raise ValueError
    file.seek(size - 8 - length)
    footer = file.read(length)
    file.seek(0)
    return footer


def _schemas(reader: "_Compact") -> Iterator[list[int]]:
    """The numbers of children of the schema elements, of every schema: of two fields with one id, the last counts."""
    for field, kind in reader.fields():
        if field == _SCHEMA and kind in _LISTS:
            count, element = reader.list_header()
            if element != _STRUCT:
                raise ValueError
            yield [_children(reader) for _ in range(count)]
        else:
            reader.skip(kind)


def _children(reader: "_Compact") -> int:
    count = 0
    for field, kind in reader.fields():
        if field == _CHILDREN and kind in _NUMBERS:
            count = reader.number()
        else:
            reader.skip(kind)
    return count


def _depth(children: list[int]) -> int:
    """The levels below the first element of a tree whose nodes are listed parents first."""
    waiting: list[int] = []
    deepest = 0
    for count in children:
        deepest = max(deepest, len(waiting))
        if waiting:
            waiting[-1] -= 1
        waiting.append(count)
        while waiting and waiting[-1] <= 0:
            waiting.pop()
    return deepest


class _Compact:
    """Values in the compact protocol of Thrift, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def fields(self) -> Iterator[tuple[int, int]]:
        """Id and type of each field of a struct; its value must be read or skipped before the next one."""
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self.number()
            yield field, head & 15

    def list_header(self) -> tuple[int, int]:
        """The number of elements of a list, and their type."""
        head = self._byte()
        return (self._varint() if head >> 4 == 15 else head >> 4), head & 15

    def number(self) -> int:
        """A whole number."""
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def skip(self, kind: int, level: int = 0) -> None:
        """Go past the value of a field."""
        if level > _DEEPEST:
            raise ValueError
        if kind in _NUMBERS:
            self._varint()
        elif kind == _BINARY:
            self._advance(self._varint())
        elif kind == _STRUCT:
            for _, inner in self.fields():
                self.skip(inner, level + 1)
        elif kind in _LISTS:
            count, element = self.list_header()
            self._skip_all(count, (element,), level)
        elif kind == _MAP:
            if count := self._varint():
                kinds = self._byte()
                self._skip_all(count, (kinds >> 4, kinds & 15), level)
        elif kind not in _BOOLEANS:
            self._advance({_BYTE: 1, _DOUBLE: 8}.get(kind, len(self._data)))

    def _skip_all(self, count: int, kinds: tuple[int, ...], level: int) -> None:
        for _ in range(count):
            for kind in kinds:
                if kind in _BOOLEANS:  # a byte each, other than in a field
                    self._advance(1)
                else:
                    self.skip(kind, level + 1)

    def _advance(self, count: int) -> None:
        self._at += count
        if self._at > len(self._data):
            raise ValueError

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 70:
                raise ValueError
