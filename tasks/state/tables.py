"""Derived tables on disk: Arrow streams, which `datasets` maps into memory as they are."""

from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset

from core.files import replacing

Row = dict[str, Any]
"""A row of a table: column → value. The columns are those of feedback/rows.py, and of the step that writes it."""


def write(path: Path, table: pa.Table) -> None:
    """Write a table to an Arrow file, whole."""
    with replacing(path) as draft, pa.OSFile(str(draft), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)


def load(path: Path) -> Dataset:
    """A table as a dataset: mapped into memory, read page by page as training asks for rows."""
    return Dataset.from_file(str(path))


def rows(path: Path) -> list[Row]:
    """A small table as plain rows."""
    found: list[Row] = load(path).to_list()
    return found
