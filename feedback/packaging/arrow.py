"""Parquet and Arrow files, read in batches: what a batch becomes is counted before its rows are made."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import BadFeedback
from feedback.limits import DEEPEST, LONGEST_NAME, MOST_COLUMNS, ContentLimit, SizeLimitSettings
from feedback.packaging import ipc_sizes
from feedback.packaging.compression import Compression, OpenFile
from feedback.packaging.expansion import check_types, least_bytes, least_row
from feedback.packaging.parquet_footer import schema_depth
from feedback.packaging.raw import RawRecord, as_json, limited, too_large_record

BATCH = 256
"""Number of rows that are made at a time."""
LARGE = 16_000_000
"""Bytes of a batch above which its rows are made one by one."""
LARGEST_BATCH = 2**31
"""Decompressed bytes of a batch of an Arrow file, which is in memory as a whole."""
LEAST_ROW = 128
"""Bytes that a row counts at least: an empty one becomes a rejected record."""
_DEEPEST_SCHEMA = DEEPEST * 3 // 2
"""Levels of a Parquet schema: a list of objects, two levels of a record, has three."""


_FEW = 64
"""Rows that are decoded at a time where texts are within lists or objects."""


def parquet(opened: OpenFile, path: Path, limits: SizeLimitSettings) -> Iterator[RawRecord]:
    """The rows of a Parquet file, numbered from 1.

    Raises:
        BadFeedback: the file is damaged, or its rows are larger than a file may be.
    """
    with _damage_named(path), _seekable(opened) as file:
        if (depth := schema_depth(file)) > _DEEPEST_SCHEMA:
            raise BadFeedback(
                f"the schema has {depth:,} levels, expected at most {_DEEPEST_SCHEMA}; write it with fewer"
            )
        plain = pq.ParquetFile(file)
        _check_schema(plain.schema_arrow)
        opened.limit.check(_least_size(plain), path)
        # a text that is stored once stays one text in memory until a batch is counted
        table = pq.ParquetFile(file, metadata=plain.metadata, read_dictionary=_texts(plain.schema))
        batches = table.iter_batches(batch_size=_rows_decoded(plain))
        yield from _records(batches, plain.schema_arrow, path, opened.limit, limits)


def _texts(schema: pq.ParquetSchema) -> list[str]:
    """The columns of texts or bytes, without those in lists and objects, which Arrow cannot decode as dictionaries."""
    columns = (schema.column(ix) for ix in range(len(schema)))
    return [column.path for column in columns if column.physical_type == "BYTE_ARRAY" and not _is_nested(column)]


def _is_nested(column: pq.ColumnSchema) -> bool:
    return "." in column.path


def _rows_decoded(table: pq.ParquetFile) -> int:
    """How many rows to decode at a time: every batch has a copy of the dictionaries, so that few rows take longer."""
    if any(_is_nested(table.schema.column(ix)) for ix in range(len(table.schema))):
        return _FEW  # their texts are repeated in memory
    size = sum(int(table.metadata.row_group(number).total_byte_size) for number in range(table.num_row_groups))
    return min(max(LARGE * int(table.metadata.num_rows) // max(size, 1), BATCH), 16 * BATCH)


def _least_size(table: pq.ParquetFile) -> int:
    """Least bytes of the rows, by the metadata: a byte for each value."""
    groups = [table.metadata.row_group(number) for number in range(table.num_row_groups)]
    columns = (group.column(ix) for group in groups for ix in range(group.num_columns))
    rows = int(table.metadata.num_rows) * max(LEAST_ROW, least_row(table.schema_arrow))
    return max(
        rows, sum(int(group.total_byte_size) for group in groups), sum(int(column.num_values) for column in columns)
    )


def ipc(opened: OpenFile, path: Path, limits: SizeLimitSettings) -> Iterator[RawRecord]:
    """The rows of an Arrow file or stream, numbered from 1.

    Raises:
        BadFeedback: the file is damaged, or its rows are larger than a file may be.
    """
    with _damage_named(path), _seekable(opened) as file:
        # a file is a stream between its magic bytes, padded to 8, and a table of contents
        begin = 8 if file.read(6) == b"ARROW1" else 0
        file.seek(begin)
        size = 0
        for batch in ipc_sizes.batch_sizes(file):
            size += batch
            opened.limit.check(size, path)
            if batch > LARGEST_BATCH:
                raise BadFeedback(
                    f"a batch has {batch:,} bytes, expected at most {LARGEST_BATCH:,}; write smaller ones"
                )
        file.seek(begin)
        reader = pa.ipc.open_stream(file)
        _check_schema(reader.schema)
        yield from _records(reader, reader.schema, path, opened.limit, limits)


def _records(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, path: Path, limit: ContentLimit, limits: SizeLimitSettings
) -> Iterator[RawRecord]:
    number = size = 0
    for batch in batches:
        limit.check(size + batch.num_rows * LEAST_ROW, path)
        for start in range(0, batch.num_rows, BATCH):
            rows = batch.slice(start, BATCH)
            least = least_bytes(rows)
            limit.check(size + least, path)
            for record in _made(rows, schema, number, least, limits):
                number += 1
                size += max(len(record.raw), LEAST_ROW)
                limit.check(size, path)
                yield record


def _made(
    rows: pa.RecordBatch, schema: pa.Schema, number: int, least: int, limits: SizeLimitSettings
) -> Iterator[RawRecord]:
    """The records of some rows, after so many others, with the types of this schema."""
    if least <= LARGE:
        for ix, row in enumerate(rows.cast(schema).to_pylist(), number + 1):
            yield limited(RawRecord(ix, as_json(row)), limits)
        return
    for ix in range(rows.num_rows):
        row = rows.slice(ix, 1)
        if (size := least_bytes(row)) > limits.record_bytes:
            yield too_large_record(number + ix + 1, b"", size, limits)
        else:
            yield from _made(row, schema, number + ix, 0, limits)


def _check_schema(schema: pa.Schema) -> None:
    if len(schema) > MOST_COLUMNS:
        raise BadFeedback(f"the file has {len(schema):,} columns; leave out all but {MOST_COLUMNS:,}")
    if long := next((name for name in schema.names if len(name) > LONGEST_NAME), None):
        raise BadFeedback(f"the file has a column {long[:60]!r}…; use names of at most {LONGEST_NAME} characters")
    check_types(schema)


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
    except BadFeedback as error:
        if str(error).startswith(str(path)):
            raise
        raise BadFeedback(f"{path}: {error}") from error
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise BadFeedback(f"{path}: the file is damaged ({reason}); download it again") from error
