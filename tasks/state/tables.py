"""Derived tables on disk: Arrow streams, which `datasets` memory-maps directly."""

from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset

from core.files import replacing

Row = dict[str, Any]
"""A row of a table: column → value. The columns are defined in feedback/rows.py and by the step that writes it."""


def write(path: Path, table: pa.Table) -> None:
    """Write a table to an Arrow file, atomically."""
    with replacing(path) as draft, pa.OSFile(str(draft), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)


def load(path: Path) -> Dataset:
    """A table as a memory-mapped dataset; pages are read as rows are accessed."""
    return Dataset.from_file(str(path))


def rows(path: Path) -> list[Row]:
    """All rows of a table, in memory: for small tables only."""
    rows: list[Row] = load(path).to_list()
    return rows
