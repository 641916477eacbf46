"""Who spoke, in which round, how often. Column by column: a store of millions of events is no list of objects."""

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

_COLUMNS = ["annotator_id", "annotator_type", "round"]


class AnnotatorActivity(NamedTuple):
    """What one annotator said in one round."""

    annotator: str
    type: str
    """human, ai, user, rule or simulated."""
    round: int
    """The round that took it in."""
    records: int


def spoken(folder: Path) -> list[AnnotatorActivity]:
    """All annotators of a store (feedback or votes), by round, then by name. No folder, nobody."""
    parts = [_counts(pq.read_table(part, columns=_COLUMNS)) for part in sorted(folder.glob("part-*-*.parquet"))]
    if not parts:
        return []
    sums = pa.concat_tables(parts).group_by(_COLUMNS).aggregate([("records", "sum")])
    ordered = sums.sort_by([("round", "ascending"), ("annotator_id", "ascending"), ("annotator_type", "ascending")])
    rows = zip(*(ordered[name].to_pylist() for name in (*_COLUMNS, "records_sum")), strict=True)
    return [AnnotatorActivity(*row) for row in rows]


def _counts(part: pa.Table) -> pa.Table:
    """One row an annotator and round, so that no more than one part is ever in memory."""
    return part.group_by(_COLUMNS).aggregate([([], "count_all")]).rename_columns([*_COLUMNS, "records"])
