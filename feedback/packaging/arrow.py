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
from feedback.packaging.compression import Compression, OpenFile
from feedback.packaging.raw import RawRecord, as_json

BATCH = 256
"""Number of rows in memory at a time."""


def parquet(opened: OpenFile, path: Path) -> Iterator[RawRecord]:
    """The rows of a Parquet file, numbered from 1.

    Raises:
        BadFeedback: the file is damaged.
    """
    with _damage_named(path), _seekable(opened) as file:
        yield from _records(pq.ParquetFile(file).iter_batches(batch_size=BATCH))


def ipc(opened: OpenFile, path: Path) -> Iterator[RawRecord]:
    """The rows of an Arrow file or stream, numbered from 1.

    Raises:
        BadFeedback: the file is damaged.
    """
    with _damage_named(path), _seekable(opened) as file:
        is_file = file.read(6) == b"ARROW1"
        file.seek(0)
        yield from _records(_batches(pa.ipc.open_file(file)) if is_file else pa.ipc.open_stream(file))


def _batches(reader: pa.ipc.RecordBatchFileReader) -> Iterator[pa.RecordBatch]:
    return (reader.get_batch(number) for number in range(reader.num_record_batches))


def _records(batches: Iterable[pa.RecordBatch]) -> Iterator[RawRecord]:
    number = 0
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH):
            for row in batch.slice(start, BATCH).to_pylist():
                number += 1
                yield RawRecord(number, as_json(row))


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
