"""The ids of the records in the inbox, kept beside it, so that every file is read once to be counted.

An entry counts only for a file of the same name, size and time of modification, and for the same code: the names are
made from the contents, and other code may read other records from a file. Any other file is read again.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

import pyarrow as pa
import pyarrow.compute as pc

WIDTH = 16
"""Number of bytes of an entry's ids: the beginning of a SHA-256, which makes every id equally long."""

_SCHEMA = pa.schema([("name", pa.string()), ("size", pa.int64()), ("modified", pa.int64()), ("ids", pa.large_binary())])


class FileVersion(NamedTuple):
    """A file in the inbox as it is now."""

    name: str
    size: int
    modified: int
    """Nanoseconds since 1970."""

    @classmethod
    def of(cls, file: Path) -> Self:
        """The present version of a file."""
        facts = file.stat()
        return cls(file.name, facts.st_size, facts.st_mtime_ns)


def packed(ids: Iterable[str]) -> bytes:
    """Ids as bytes, `WIDTH` each."""
    return b"".join(hashlib.sha256(name.encode()).digest()[:WIDTH] for name in ids)


def are_new(waiting: bytes, stored: bytes) -> list[bool]:
    """Whether each id in `waiting` is not in `stored`; both are packed."""
    flags: list[bool] = pc.invert(pc.is_in(_array(waiting), _array(stored))).to_pylist()
    return flags


def count_new(waiting: bytes, stored: bytes) -> int:
    """How many different ids are in `waiting` and not in `stored`; both are packed."""
    return int(pc.sum(pc.invert(pc.is_in(pc.unique(_array(waiting)), _array(stored)))).as_py() or 0)


def repeated(given: bytes, known: bytes) -> frozenset[bytes]:
    """The packed ids that occur twice in `given`, or in `given` and in `known`."""
    counts = pc.value_counts(_array(given))
    values, numbers = counts.field("values"), counts.field("counts")
    selected = pc.or_(pc.greater(numbers, 1), pc.is_in(values, _array(known)))
    return frozenset(values.filter(selected).to_pylist())


class InboxIndex:
    """The packed ids of the usable records, by file."""

    def __init__(self, path: Path, code: str) -> None:
        self._path, self._code = path, code
        self._entries = _load(path, code)
        self._changed = False

    def add(self, file: Path, ids: bytes) -> None:
        """Remember the packed ids of a file."""
        self._entries[FileVersion.of(file)] = ids
        self._changed = True

    def ids(self, files: Iterable[Path], read: Callable[[Path], bytes]) -> bytes:
        """The packed ids of these files; `read` is called for those that are not known. Others are forgotten."""
        versions = {FileVersion.of(file): file for file in files}
        entries = {each: self._entries.get(each) for each in versions}
        found = {each: read(versions[each]) if ids is None else ids for each, ids in entries.items()}
        self._changed |= found.keys() != self._entries.keys()
        self._entries = found
        return b"".join(found.values())

    def save(self) -> None:
        """Write the entries, if they have changed and the disk can be written: without them, files are read again.

        Several commands may count the inbox at a time; the last one to write wins.
        """
        if self._changed:
            with suppress(OSError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._write()

    def _write(self) -> None:
        table = _table(self._entries).replace_schema_metadata({"code": self._code})
        with tempfile.TemporaryDirectory(prefix=".index.", dir=self._path.parent) as folder:
            draft = Path(folder) / self._path.name
            with pa.ipc.new_file(str(draft), table.schema) as writer:
                writer.write_table(table)
            draft.replace(self._path)


def _table(entries: Mapping[FileVersion, bytes]) -> pa.Table:
    columns = [*zip(*entries, strict=True)] if entries else [(), (), ()]
    values = [*columns, list(entries.values())]
    arrays = [pa.array(column, field.type) for column, field in zip(values, _SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=_SCHEMA)


def _load(path: Path, code: str) -> dict[FileVersion, bytes]:
    """The entries that were written by the same code; none if the file is missing or damaged."""
    try:
        with pa.memory_map(str(path)) as file:
            table = pa.ipc.open_file(file).read_all()
    except (FileNotFoundError, pa.ArrowInvalid):
        return {}
    if not table.schema.equals(_SCHEMA) or (table.schema.metadata or {}).get(b"code") != code.encode():
        return {}
    names, sizes, modified, ids = (column.to_pylist() for column in table.columns)
    return dict(zip(map(FileVersion, names, sizes, modified), ids, strict=True))


def _array(ids: bytes) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(WIDTH), len(ids) // WIDTH, [None, pa.py_buffer(ids)])
