"""Tables on disk: Parquet written whole, read as memory-mapped Arrow through `datasets`."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset

from core.files import replacing


def write(path: Path, table: pa.Table) -> None:
    """Write a table to a Parquet file, whole."""
    with replacing(path) as draft:
        pq.write_table(table, draft, compression="zstd")


def load(path: Path) -> Dataset:
    """A Parquet file as a dataset.

    Read through pyarrow, not `load_dataset`: that would keep a second copy of every round's data in a cache of its own.
    """
    return Dataset(pq.read_table(path, memory_map=True))


def rows(path: Path) -> list[dict[str, Any]]:
    """A small table as plain rows."""
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found
