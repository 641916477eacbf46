"""What is in the feedback store, in numbers: forms, sources, annotators, licences, agreement, and when it came."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from feedback import store
from feedback.agreement import Agreement
from feedback.preferences import preferences
from feedback.schema import FeedbackEvent
from feedback.split import SplitSettings
from feedback.store import parquet

_COLUMNS = ("kind", "source", "annotator_id", "annotator_type", "licence", "consent", "status", "round")
_TIMES = ("created_at", "ingested_at")

Counts = dict[str, int]
"""Value → number of events, the most frequent first."""


class Overview(NamedTuple):
    """The stored feedback in numbers."""

    events: int
    kinds: Counts
    sources: Counts
    annotators: Counts
    """By id; `unknown` stands for a separate person each time."""
    annotator_types: Counts
    licences: Counts
    consents: Counts
    statuses: Counts
    rounds: Counts
    """By the round that ingested them, ascending."""
    weeks: Counts
    """By the ISO week (`2026-W48`) of `created_at`, or of the ingestion where that is not stated, ascending."""
    agreement: dict[str, Agreement]
    """Criterion → agreement of the people who voted on the same pair; without criteria on which nobody shares one."""
    quarantined: int
    """Records in quarantine."""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return self._asdict() | {"agreement": {name: value._asdict() for name, value in self.agreement.items()}}


def overview(folder: Path) -> Overview:
    """Count the stored events, part by part, and compute the agreement under each criterion."""
    counts: dict[str, Counter[Any]] = {name: Counter() for name in (*_COLUMNS, "week")}
    for part in parquet.parts(folder):
        table = pq.read_table(part, columns=[*_COLUMNS, *_TIMES])
        for name in _COLUMNS:
            counts[name].update(table[name].to_pylist())
        counts["week"].update(_weeks(table))
    frequent = {name: dict(counter.most_common()) for name, counter in counts.items()}
    return Overview(
        events=counts["kind"].total(),
        kinds=frequent["kind"],
        sources=frequent["source"],
        annotators=frequent["annotator_id"],
        annotator_types=frequent["annotator_type"],
        licences=frequent["licence"],
        consents=frequent["consent"],
        statuses=frequent["status"],
        rounds={str(number): count for number, count in sorted(counts["round"].items())},
        weeks=dict(sorted(counts["week"].items())),
        agreement=_agreement(store.events(folder)),
        quarantined=len(store.rejections(folder)),
    )


def _weeks(table: pa.Table) -> Iterator[str]:
    for created, ingested in zip(*(table[name].to_pylist() for name in _TIMES), strict=True):
        moment: datetime | None = created or ingested
        yield f"{moment:%G-W%V}" if moment else "not stated"


def _agreement(events: Sequence[FeedbackEvent]) -> dict[str, Agreement]:
    criteria = sorted({judgement.criterion for event in events for judgement in event.judgements})
    by_criterion = {name: preferences(events, SplitSettings(), "", name).agreement for name in criteria}
    return {name: agreement for name, agreement in by_criterion.items() if agreement is not None}
