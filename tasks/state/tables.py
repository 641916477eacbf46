"""Derived tables on disk: Arrow streams, which `datasets` memory-maps directly."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset

from core.files import replacing

Row = dict[str, Any]
"""A row of a table: column → value. The columns are defined in feedback/rows.py and by the step that writes it."""

_ROWS = 5_000  # rows that are objects at a time


def write(path: Path, table: pa.Table) -> None:
    """Write a table to an Arrow file, atomically."""
    with replacing(path) as draft, pa.OSFile(str(draft), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)


def load(path: Path) -> Dataset:
    """A table as a memory-mapped dataset; pages are read as rows are accessed."""
    return Dataset.from_file(str(path))


def columns(path: Path, *names: str) -> Iterator[tuple[Any, ...]]:
    """The values of some columns of a table, row by row; one batch is in memory at a time."""
    with pa.memory_map(str(path)) as file:
        for batch in pa.ipc.open_stream(file):
            for start in range(0, len(batch), _ROWS):
                part = batch.slice(start, _ROWS)
                yield from zip(*(part[name].to_pylist() for name in names), strict=True)


def rows(path: Path) -> list[Row]:
    """All rows of a table, in memory: for small tables only."""
    rows: list[Row] = load(path).to_list()
    return rows
