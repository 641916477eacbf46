"""How many records each annotator gave in each round. Counted on columns: a store may hold millions of events."""

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

_COLUMNS = ["annotator_id", "annotator_type", "round"]


class AnnotatorActivity(NamedTuple):
    """The number of one annotator's records in one round."""

    annotator: str
    type: str
    """human, ai, user, rule or simulated."""
    round: int
    """The round that ingested the records."""
    records: int


def activity(folder: Path) -> list[AnnotatorActivity]:
    """All annotators of a store (feedback or votes), by round, then by name; empty if there is no such folder."""
    parts = [_counts(pq.read_table(part, columns=_COLUMNS)) for part in sorted(folder.glob("part-*-*.parquet"))]
    if not parts:
        return []
    sums = pa.concat_tables(parts).group_by(_COLUMNS).aggregate([("records", "sum")])
    ordered = sums.sort_by([("round", "ascending"), ("annotator_id", "ascending"), ("annotator_type", "ascending")])
    rows = zip(*(ordered[name].to_pylist() for name in (*_COLUMNS, "records_sum")), strict=True)
    return [AnnotatorActivity(*row) for row in rows]


def _counts(part: pa.Table) -> pa.Table:
    """One row per annotator and round, so that no more than one part is in memory at a time."""
    return part.group_by(_COLUMNS).aggregate([([], "count_all")]).rename_columns([*_COLUMNS, "records"])
