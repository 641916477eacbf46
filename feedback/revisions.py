"""Records that were edited where they come from: the same id with other content is a correction of the stored event.

A person who changes an annotation changes the record, not the id that the tool gave it. The changed record becomes an
event of its own that supersedes the one that is stored; the store keeps both.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from feedback import store
from feedback.schema import FeedbackEvent
from feedback.store import identity


class _Stored(NamedTuple):
    """What is known of the events that earlier rounds stored."""

    source_ids: dict[str, str]
    """Id → id in the source."""
    successors: dict[str, list[str]]
    """Id → the events that supersede the event with this id, in the order of their ingestion."""

    def latest(self, feedback_id: str) -> str:
        """The id of the last correction of an event, or its own."""
        source_id = self.source_ids.get(feedback_id, "")
        while following := self._corrections(feedback_id, source_id):
            feedback_id = following[-1]
        return feedback_id

    def _corrections(self, feedback_id: str, source_id: str) -> list[str]:
        successors = self.successors.get(feedback_id, [])
        return [other for other in successors if self.source_ids[other].startswith(f"{source_id}@")]


def corrected(folder: Path, events: Sequence[FeedbackEvent], round: int) -> list[FeedbackEvent]:
    """The events of a round; one that differs from what earlier rounds stored under its id is made a correction of it.

    Called again for the same round, as after a kill, it returns the same events. A record that has not changed since
    it was corrected gets the id of the correction, so that it counts as repeated.
    """
    stored = _stored(folder, range(round))
    latest = {event.feedback_id: stored.latest(event.feedback_id) for event in events}
    last = store.with_ids(folder, set(latest.values()) & stored.source_ids.keys())
    return [_corrected(_superseding(event, stored), last.get(latest[event.feedback_id])) for event in events]


def _superseding(event: FeedbackEvent, stored: _Stored) -> FeedbackEvent:
    """The event; one that supersedes another one supersedes the last correction of that one."""
    if event.supersedes is None:
        return event
    return event.model_copy(update={"supersedes": stored.latest(event.supersedes)})


def _corrected(event: FeedbackEvent, last: FeedbackEvent | None) -> FeedbackEvent:
    """The event, or its correction of the last one that is stored."""
    if last is None:
        return event
    same = identity.content(_named_as(event, last)) == identity.content(last)
    return _named_as(event, last) if same else _correction(event, last)


def _named_as(event: FeedbackEvent, other: FeedbackEvent) -> FeedbackEvent:
    names = ("feedback_id", "source_id", "supersedes")
    return event.model_copy(update={name: getattr(other, name) for name in names})


def _correction(event: FeedbackEvent, last: FeedbackEvent) -> FeedbackEvent:
    content = f"{last.feedback_id}\0{identity.content(event)}"
    new_id = hashlib.sha256(content.encode()).hexdigest()[:32]
    names = {"feedback_id": new_id, "source_id": f"{event.source_id}@{new_id[:8]}", "supersedes": last.feedback_id}
    return event.model_copy(update=names)


def _stored(folder: Path, rounds: Iterable[int]) -> _Stored:
    stored = _Stored({}, {})
    columns = ["feedback_id", "source_id", "supersedes"]
    for part in (part for round in rounds for part in store.parts(folder, round)):
        table = pq.read_table(part, columns=columns)
        for feedback_id, source_id, superseded in zip(*(table[name].to_pylist() for name in columns), strict=True):
            stored.source_ids[feedback_id] = source_id
            if superseded is not None:
                stored.successors.setdefault(superseded, []).append(feedback_id)
    return stored
