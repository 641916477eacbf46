"""Stored feedback as one file, in the canonical form: importing it into an empty workspace gives the same ids."""

from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.errors import BadFeedback
from core.files import replacing
from feedback.arrow import SCHEMA, from_table
from feedback.forgotten import kept_rows
from feedback.packaging.raw import as_json
from feedback.store import parquet

ENDINGS = (".jsonl", ".parquet")


def export(
    folder: Path,
    target: Path,
    kinds: Collection[str] = (),
    sources: Collection[str] = (),
    forgotten: Collection[str] = (),
) -> int:
    """Write the stored events to a file, in the order of their ingestion; returns their number.

    The file is replaced as a whole. One part of the store is in memory at a time.

    Args:
        folder: the feedback store.
        target: `.jsonl` or `.parquet`, by its ending.
        kinds: only events of these kinds; empty for all.
        sources: only events of these sources; empty for all.
        forgotten: SHA-256 of the ids of annotators who are left out.

    Raises:
        BadFeedback: the file has another ending.
    """
    if target.suffix not in ENDINGS:
        raise BadFeedback(f"{target}: feedback is exported as {' or '.join(ENDINGS)}; name a file with such an ending")
    write = _write_lines if target.suffix == ".jsonl" else _write_parquet
    with replacing(target) as draft:
        return write(draft, (kept_rows(table, forgotten) for table in _selected(folder, kinds, sources)))


def _selected(folder: Path, kinds: Collection[str], sources: Collection[str]) -> Iterator[pa.Table]:
    for part in parquet.parts(folder):
        table = pq.read_table(part, schema=SCHEMA)
        for column, wanted in (("kind", kinds), ("source", sources)):
            if wanted:
                table = table.filter(pc.is_in(table[column], pa.array(sorted(wanted), pa.string())))
        yield table


def _write_lines(draft: Path, tables: Iterator[pa.Table]) -> int:
    count = 0
    with draft.open("wb") as stream:
        for event in (event for table in tables for event in from_table(table)):
            # the version is always stated: a later one may have other defaults
            fields = event.model_dump(mode="json", exclude_defaults=True) | {"schema_version": event.schema_version}
            stream.write(as_json(fields) + b"\n")
            count += 1
    return count


def _write_parquet(draft: Path, tables: Iterator[pa.Table]) -> int:
    count = 0
    with pq.ParquetWriter(draft, SCHEMA) as writer:
        for table in tables:
            writer.write_table(table)
            count += table.num_rows
    return count
