"""Single events: where in the workspace they are, and which rounds derived training data from them."""

from collections.abc import Iterator
from typing import NamedTuple

import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.errors import NotFound
from core.stored import Json
from feedback.arrow import SCHEMA, from_table
from feedback.forgotten import pseudonym, texts
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake
from feedback.store import parquet
from tasks.state import feedback_database, inbox, records, tombstones
from tasks.state.workspace import Workspace

MIN_PREFIX = 6
"""Characters of a feedback_id that are enough to name an event."""


class FoundEvent(NamedTuple):
    """An event, or a record that could not be used."""

    where: str
    """A file of the workspace, or `the feedback database`."""
    record: FeedbackEvent | RejectedRecord
    ingested: int | None = None
    """The round that ingested it; None if it waits."""
    learned: tuple[int, ...] = ()
    """The finished rounds that derived training data from it, or held it out."""
    replaced: str | None = None
    """The id of the event that supersedes it."""
    forgotten: bool = False
    """True if its annotator is forgotten: the next round leaves it out."""

    def to_json(self) -> Json:
        """As plain values."""
        return self._asdict() | {"record": self.record.model_dump(mode="json"), "learned": list(self.learned)}


def find(workspace: Workspace, name: str) -> list[FoundEvent]:
    """The events with this `feedback_id` (its first six characters are enough) or `source_id`, wherever they are.

    Records in quarantine are found if they have the name as a value.

    Raises:
        NotFound: there is none.
    """
    events = [_traced(workspace, event) for event in _stored(workspace, name)]
    events += [found for found in _waiting(workspace) if _is_named(found.record, name)]
    events += _quarantined(workspace, name)
    if not events:
        raise NotFound(
            f"no event of {workspace.root} has the feedback_id or source_id {name!r}: neither in the store, nor in the "
            f"inbox, the database or quarantine; give {MIN_PREFIX} characters or more of the feedback_id"
        )
    return events


def last(workspace: Workspace, count: int) -> list[FoundEvent]:
    """The `count` events that arrived last, the newest last: those that wait come after those that were ingested."""
    waiting_events = [*_waiting(workspace)][-count:]
    rest = count - len(waiting_events)
    stored = [_traced(workspace, event) for event in _newest(workspace, rest)] if rest else []
    return [*stored, *waiting_events]


def _stored(workspace: Workspace, name: str) -> Iterator[FoundEvent]:
    for part in parquet.parts(workspace.feedback):
        columns = pq.read_table(part, columns=["feedback_id", "source_id"])
        mask = pc.equal(columns["source_id"], name)
        if len(name) >= MIN_PREFIX:
            mask = pc.or_(mask, pc.starts_with(columns["feedback_id"], name))
        if pc.any(mask).as_py():
            for event in from_table(pq.read_table(part, schema=SCHEMA).filter(mask)):
                yield FoundEvent(workspace.name(part), event, event.round)


def _newest(workspace: Workspace, count: int) -> list[FoundEvent]:
    newest: list[FoundEvent] = []
    for part in reversed(parquet.parts(workspace.feedback)):
        events = from_table(pq.read_table(part, schema=SCHEMA)[-(count - len(newest)) :])
        newest = [*(FoundEvent(workspace.name(part), event, event.round) for event in events), *newest]
        if len(newest) == count:
            break
    return newest


def _waiting(workspace: Workspace) -> Iterator[FoundEvent]:
    """The events in the inbox, then those in the database, each as it arrived. Those that are stored are left out."""
    known, gone = parquet.ids(workspace.feedback), tombstones.forgotten(workspace)
    intake = Intake(round=0, seed=0)
    files = inbox.sources(workspace)
    waiting = ((workspace.name(file.path), record) for file in files for record in file.read(intake))
    database = (("the feedback database", event) for event in feedback_database.waiting_events(workspace))
    for where, record in (*waiting, *database):
        if isinstance(record, FeedbackEvent) and record.feedback_id not in known:
            yield FoundEvent(where, record, forgotten=pseudonym(record.annotator_id) in gone)


def _quarantined(workspace: Workspace, name: str) -> Iterator[FoundEvent]:
    for file in sorted(parquet.quarantine_folder(workspace.feedback).glob("round-*.jsonl")):
        number = int(file.stem.split("-")[1])
        for record in parquet.rejections(workspace.feedback, number):
            if record.where == name or name in texts(record.record):
                yield FoundEvent(workspace.name(file), record, number)


def _is_named(record: FeedbackEvent | RejectedRecord, name: str) -> bool:
    if isinstance(record, RejectedRecord):
        return False
    prefix = len(name) >= MIN_PREFIX and record.feedback_id.startswith(name)
    return prefix or record.source_id == name


def _traced(workspace: Workspace, found: FoundEvent) -> FoundEvent:
    """The stored event with the rounds that learned from it: from its own on, until it was superseded or forgotten."""
    event = found.record
    if isinstance(event, RejectedRecord):
        return found
    replaced = {round_: id_ for id_, round_ in _superseding(workspace, event.feedback_id)}
    name, until = pseudonym(event.annotator_id), min(replaced, default=None)
    finished = [records.read(workspace, number) for number in records.numbers(workspace) if number >= event.round]
    learned = [
        record.number
        for record in finished
        if event.status == "active" and name not in record.inputs.forgotten and (until is None or record.number < until)
    ]
    gone = name in tombstones.forgotten(workspace)
    return found._replace(learned=tuple(learned), replaced=None if until is None else replaced[until], forgotten=gone)


def _superseding(workspace: Workspace, name: str) -> Iterator[tuple[str, int]]:
    """The active events that supersede an event: id and round."""
    columns = ["feedback_id", "round", "supersedes", "status"]
    for part in parquet.parts(workspace.feedback):
        table = pq.read_table(part, columns=columns)
        mask = pc.and_(pc.equal(table["supersedes"], name), pc.equal(table["status"], "active"))
        for row in table.filter(mask).to_pylist():
            yield row["feedback_id"], row["round"]
