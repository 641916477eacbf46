"""Files of records, whatever holds them: the kind of a file and its compression are found from its bytes.

Read are JSON lines, a JSON array, CSV, TSV, Parquet and Arrow; plain, or compressed with gzip, bzip2, xz, zstd or lz4.
Every record becomes one JSON text, the same whatever file it was in, so that everything after this package reads JSON.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from core.errors import BadFeedback
from feedback.limits import SizeLimitSettings
from feedback.packaging import arrow, delimited, json_array, json_lines
from feedback.packaging.compression import Compression, decompressed
from feedback.packaging.kinds import READ, FileKind, kind_of
from feedback.packaging.raw import RawRecord

HEAD = 1 << 16
"""Number of bytes at the beginning of a file from which its kind is found."""

ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow")
"""Endings of the files that are read from a folder, each also with an ending of `Compression`."""

ABOUT_A_DATA_SET = ("dataset_info.json", "dataset_dict.json", "state.json")
"""Files that the library `datasets` writes beside its Arrow files. They hold no records."""


_DEFAULT = SizeLimitSettings()


def records(path: Path, limits: SizeLimitSettings = _DEFAULT) -> Iterator[RawRecord]:
    """The records of a file, in order. The file is streamed: at most one batch of records is in memory.

    A record that is too large has a `problem`, and only its beginning is kept.

    Raises:
        BadFeedback: the file does not exist, is empty, damaged, too large, or of a kind that is not read; or a record
            is too large, and nothing can be read after it.
    """
    with decompressed(path, HEAD, limits) as file:
        match _kind(path, file.head):
            case FileKind.JSON_LINES:
                yield from json_lines.records(file.stream, limits)
            case FileKind.JSON_ARRAY:
                yield from json_array.records(file.stream, path, limits)
            case FileKind.CSV | FileKind.TSV:
                yield from delimited.records(file, path, limits)
            case FileKind.PARQUET:
                yield from arrow.parquet(file, path, limits)
            case FileKind.ARROW:
                yield from arrow.ipc(file, path, limits)


def detect(path: Path, limits: SizeLimitSettings = _DEFAULT) -> tuple[FileKind, Compression]:
    """The kind of a file and its compression.

    Raises:
        BadFeedback: see `records`.
    """
    with decompressed(path, HEAD, limits) as file:
        return _kind(path, file.head), file.compression


def content_digest(path: Path, limits: SizeLimitSettings = _DEFAULT) -> str:
    """SHA-256 (hex) of the decompressed content of a file.

    Raises:
        BadFeedback: see `records`.
    """
    sha = hashlib.sha256()
    with decompressed(path, 0, limits) as file:
        while block := file.stream.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()


def files_at(path: Path) -> list[Path]:
    """The file, or the files of records in a folder.

    Raises:
        BadFeedback: there is neither, or the folder has no file of records.
    """
    if not path.is_dir():
        if not path.is_file():
            raise BadFeedback(f"{path}: {_no_file(path)}; name a file or folder of records")
        return [path]
    if files := files_in(path):
        return files
    raise BadFeedback(f"{path}: the folder has no file of records; name a file, or a folder with {READ}")


def _no_file(path: Path) -> str:
    """What is at a path that is neither a file nor a folder."""
    if path.is_symlink() and not path.exists():
        return f"the link leads nowhere ({path.readlink()})"
    if path.exists():
        return "it is no file but a pipe, a socket or a device"
    return "there is no such file"


def files_in(folder: Path) -> list[Path]:
    """The files below a folder whose names end like those of records, sorted by path; hidden ones are left out."""
    below = (path for path in folder.rglob("*") if not path.name.startswith("."))
    return sorted(path for path in below if path.is_file() and is_named_as_records(path.name))


def is_named_as_records(name: str) -> bool:
    """Whether a file with this name is read from a folder."""
    return name not in ABOUT_A_DATA_SET and stem(name) != name


def stem(name: str) -> str:
    """The name of a file without the endings of its kind and compression: `votes.jsonl.gz` → `votes`."""
    bare = _without(name, [compression.ending for compression in Compression if compression.ending])
    return _without(bare, ENDINGS)


def _without(name: str, endings: Iterable[str]) -> str:
    return next((name[: -len(ending)] for ending in endings if name.lower().endswith(ending)), name)


def _kind(path: Path, head: bytes) -> FileKind:
    try:
        return kind_of(head)
    except BadFeedback as error:
        raise BadFeedback(f"{path}: {error}") from error
