"""Withdrawals and corrections in the feedback that a round ingested."""

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
    """A record that is withdrawn, or that withdraws or corrects (supersedes) another one."""

    annotator: str
    """The annotator of the superseded record, or of this record if that one is not stored."""
    replaced: bool
    """True for a correction: new feedback replaces the old. False if the feedback was only withdrawn."""


def withdrawals(folder: Path, round: int) -> dict[str, list[Withdrawal]]:
    """Name of a part of the store → its withdrawals and corrections, for the parts of a round that have any."""
    by_part = {part.stem: events for part in store.parts(folder, round) if (events := _withdrawing(part))}
    annotators = _annotators(folder) if by_part else {}
    return {part: [_withdrawal(event, annotators) for event in events] for part, events in by_part.items()}


def _withdrawing(part: Path) -> list[FeedbackEvent]:
    """The events of a part that are withdrawn or supersede another one."""
    columns = pq.read_table(part, columns=["status", "supersedes"])
    mask = pc.or_(pc.equal(columns["status"], "withdrawn"), pc.is_valid(columns["supersedes"]))
    return from_table(pq.read_table(part, schema=SCHEMA).filter(mask)) if pc.any(mask).as_py() else []


def _withdrawal(event: FeedbackEvent, annotators: dict[str, str]) -> Withdrawal:
    abstains = bool(event.judgements) and all(judgement.outcome in _ABSTENTIONS for judgement in event.judgements)
    annotator = annotators.get(event.supersedes or "", event.annotator_id)
    return Withdrawal(annotator, replaced=event.status != "withdrawn" and not abstains)


def _annotators(folder: Path) -> dict[str, str]:
    """Event id → annotator."""
    columns = ["feedback_id", "annotator_id"]
    table = pa.concat_tables(pq.read_table(part, columns=columns) for part in store.parts(folder))
    return dict(zip(*(table[column].to_pylist() for column in columns), strict=True))
