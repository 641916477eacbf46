"""Parquet and Arrow files, read in batches."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import BadFeedback
from feedback.limits import LONGEST_NAME, MOST_COLUMNS, SizeLimitSettings
from feedback.packaging.compression import Compression, OpenFile
from feedback.packaging.raw import RawRecord, as_json, limited

BATCH = 256
"""Number of rows in memory at a time."""


def parquet(opened: OpenFile, path: Path, limits: SizeLimitSettings) -> Iterator[RawRecord]:
    """The rows of a Parquet file, numbered from 1.

    Raises:
        BadFeedback: the file is damaged, or its rows are larger than a file may be.
    """
    with _damage_named(path), _seekable(opened) as file:
        table = pq.ParquetFile(file)
        _check_names(table.schema_arrow, path)
        groups = (table.metadata.row_group(number) for number in range(table.num_row_groups))
        _check_size(sum(group.total_byte_size for group in groups), path, limits)
        yield from _records(table.iter_batches(batch_size=BATCH), path, limits)


def ipc(opened: OpenFile, path: Path, limits: SizeLimitSettings) -> Iterator[RawRecord]:
    """The rows of an Arrow file or stream, numbered from 1.

    Raises:
        BadFeedback: the file is damaged, or its rows are larger than a file may be.
    """
    with _damage_named(path), _seekable(opened) as file:
        is_file = file.read(6) == b"ARROW1"
        file.seek(0)
        reader = pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file)
        _check_names(reader.schema, path)
        yield from _records(_batches(reader) if is_file else reader, path, limits)


def _batches(reader: pa.ipc.RecordBatchFileReader) -> Iterator[pa.RecordBatch]:
    return (reader.get_batch(number) for number in range(reader.num_record_batches))


def _records(batches: Iterable[pa.RecordBatch], path: Path, limits: SizeLimitSettings) -> Iterator[RawRecord]:
    number = size = 0
    for batch in batches:
        _check_size(size + batch.nbytes, path, limits)  # before its rows are made objects
        for start in range(0, batch.num_rows, BATCH):
            for row in batch.slice(start, BATCH).to_pylist():
                number += 1
                raw = as_json(row)
                size += len(raw)
                _check_size(size, path, limits)
                yield limited(RawRecord(number, raw), limits)


def _check_size(size: int, path: Path, limits: SizeLimitSettings) -> None:
    if size > limits.file_bytes:
        raise BadFeedback(
            f"{path}: the rows have more than {limits.file_bytes:,} bytes; split the file, or raise "
            "ingest.limits.file_bytes in params.yaml"
        )


def _check_names(schema: pa.Schema, path: Path) -> None:
    if len(schema) > MOST_COLUMNS:
        raise BadFeedback(f"{path} has {len(schema):,} columns; leave out all but {MOST_COLUMNS:,}")
    if long := next((name for name in schema.names if len(name) > LONGEST_NAME), None):
        raise BadFeedback(f"{path} has a column {long[:60]!r}…; use names of at most {LONGEST_NAME} characters")


@contextmanager
def _seekable(opened: OpenFile) -> Iterator[IO[bytes]]:
    """The stream, or a copy on disk if it is compressed: the end of these files is read first."""
    if opened.compression is Compression.NONE:
        yield opened.stream
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(opened.stream, copy)
        copy.seek(0)
        yield copy


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise BadFeedback(f"{path}: the file is damaged ({reason}); download it again") from error
