"""What people took back, or corrected, in the feedback that a round took in."""

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feedback import store
from feedback.arrow import SCHEMA, from_table
from feedback.schema import FeedbackEvent

_ABSTENTIONS = ("skip", "cannot_judge", "not_rankable")


class Withdrawal(NamedTuple):
    """One record that is withdrawn, takes another back, or puts itself in its place."""

    whose: str
    """The annotator of what was taken back; of the record itself where that is not stored."""
    back: bool
    """True where nothing takes its place."""


def withdrawn(folder: Path, round: int) -> dict[str, list[Withdrawal]]:
    """Part of the store → what it takes back or corrects, for those parts of a round that do."""
    found = {part.stem: events for part in store.parts(folder, round) if (events := _taking(part))}
    annotators = _annotators(folder) if found else {}
    return {part: [_taken(event, annotators) for event in events] for part, events in found.items()}


def _taking(part: Path) -> list[FeedbackEvent]:
    table = pq.read_table(part, schema=SCHEMA)
    return from_table(table.filter(pc.or_(pc.equal(table["status"], "withdrawn"), pc.is_valid(table["supersedes"]))))


def _taken(event: FeedbackEvent, annotators: dict[str, str]) -> Withdrawal:
    abstains = bool(event.judgements) and all(judgement.outcome in _ABSTENTIONS for judgement in event.judgements)
    whose = annotators.get(event.supersedes or "", event.annotator_id)
    return Withdrawal(whose, event.status == "withdrawn" or abstains)


def _annotators(folder: Path) -> dict[str, str]:
    """Event id → annotator."""
    columns = ["feedback_id", "annotator_id"]
    table = pa.concat_tables(pq.read_table(part, columns=columns) for part in store.parts(folder))
    return dict(zip(*(table[column].to_pylist() for column in columns), strict=True))
