"""Single events in the feedback database: stored as they arrive, claimed by the round that will ingest them.

The state of an event is its column `round`: NULL while no round has claimed it. Opening a round sets it for all rows
that are visible then, in one transaction. Rows of a transaction that commits later keep NULL, and the next round claims
them; the highest `arrival` that a round has seen would not tell them from those that it has ingested.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, update
from sqlalchemy.sql.dml import ReturningInsert

from core.errors import BadFeedback, Damaged, RoundsError
from feedback.limits import SizeLimitSettings, event_problem
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.store import identity, parquet
from feedback.store.database import Change, Database
from feedback.store.tables import assignments, check_id, events, inserting

_ROWS = 500
"""How many rows one statement inserts or looks up: SQLite binds at most 32,766 values."""


_DEFAULT = SizeLimitSettings()

Value = TypeVar("Value")


class PutResult(NamedTuple):
    """The result of `put`."""

    new: int
    """Events that were stored."""
    repeated: int
    """Events whose id was already stored, with the same content."""
    changed: tuple[RejectedRecord, ...]
    """Events whose id was already stored, with other content: the stored one stays, these are not stored."""


class StoredOtherwise(RoundsError):
    """An id is stored with other content, and the events were to be stored as a whole or not at all."""


class Claim(NamedTuple):
    """The events that a round has claimed."""

    round: int
    size: int
    """Number of events."""
    digest: str
    """SHA-256 (hex) of their ids and contents, whatever their order."""


def put(
    database: Database,
    given: Sequence[FeedbackEvent],
    folder: Path,
    now: datetime,
    limits: SizeLimitSettings = _DEFAULT,
    together_with: Change | None = None,
) -> PutResult:
    """Store events, each id once; they are durable when this returns. All are stored, or none.

    Args:
        database: where they are stored.
        given: the events, in the order of their arrival.
        folder: the Parquet parts; events whose ids are stored there are not stored again.
        now: the time of arrival.
        limits: how large an event and its texts may be.
        together_with: written in the same transaction, after the events: both are stored, or neither is.

    Raises:
        BadFeedback: an id is too long, or contains a NUL character, or an event is too large.
        StoredOtherwise: with `together_with`, where an event would be one of `PutResult.changed`; nothing was stored.
        NoDatabase: the database does not answer; nothing was stored.
    """
    first: dict[str, FeedbackEvent] = {}
    for event in given:
        check_id("feedback_id", event.feedback_id)
        if problem := event_problem(event, limits):
            raise BadFeedback(f"event {event.feedback_id}: {problem}")
        first.setdefault(event.feedback_id, event)
    in_parts = {name: identity.content(event) for name, event in parquet.with_ids(folder, first.keys()).items()}
    rows = [_row(event, now) for name, event in first.items() if name not in in_parts]

    def work(connection: Connection) -> PutResult:
        new, contents = _insert(connection, rows)
        result = _result(given, new, contents | in_parts)
        if together_with is not None:
            if result.changed:
                raise StoredOtherwise(f"{result.changed[0].reason}; give it another id")
            together_with(connection)
        return result

    return database.write(work)


def find(database: Database, names: Collection[str], folder: Path) -> dict[str, FeedbackEvent]:
    """Id → event, of those that are stored: in the database, or in the Parquet parts below `folder`."""
    query = select(events.c.event, events.c.received_at).where(events.c.feedback_id.in_(names))
    rows = database.read(lambda connection: connection.execute(query).all())
    single = [_event(text, received) for text, received in rows]
    return parquet.with_ids(folder, set(names)) | {event.feedback_id: event for event in single}


def claim(database: Database, round: int) -> Claim:
    """Claim all events that no round has claimed, in one transaction; repeated, it adds those that arrived since."""

    def work(connection: Connection) -> Claim:
        connection.execute(update(events).where(events.c.round.is_(None)).values(round=round))
        return _claim(connection, round, events.c.round == round)

    return database.write(work)


def claimable(database: Database, round: int, finished: Collection[int]) -> Claim:
    """What `release` followed by `claim` would claim; nothing is changed."""
    return database.read(lambda connection: _claim(connection, round, _unfinished(finished)))


def release(database: Database, finished: Collection[int]) -> None:
    """Give up the claims of all rounds that are not finished, so that the next round claims their events.

    A round that was killed while it was opened leaves such a claim, and so does one that was discarded. If it had
    already ingested the events, `append` recognises them by their ids.
    """
    change = update(events).where(_unfinished(finished), events.c.round.is_not(None)).values(round=None)
    database.write(lambda connection: connection.execute(change))


def claimed(database: Database, round: int, digest: str) -> list[FeedbackEvent]:
    """The events that a round has claimed, in the order of their arrival; the same at every call.

    An event without `ingested_at` gets the time of its arrival.

    Raises:
        Damaged: they are not those that were claimed when the round was opened.
    """
    own = events.c.round == round
    actual, rows = database.read(lambda connection: (_claim(connection, round, own), _claimed_rows(connection, own)))
    if actual.digest != digest:
        raise Damaged(
            f"round {round} claimed other events in {database.address} when it was opened (digest {digest}, now "
            f"{actual.digest}); set ROUNDS_FEEDBACK_DATABASE as it was then, restore the database from a "
            "backup, or open the round again with `rounds round --reopen`"
        )
    return [_event(text, received) for text, received in rows]


def waiting(database: Database, finished: Collection[int]) -> set[str]:
    """The ids of the events that no finished round has claimed."""
    query = select(events.c.feedback_id).where(_unfinished(finished))
    return set(database.read(lambda connection: connection.execute(query).scalars().all()))


def count_waiting(database: Database, finished: Collection[int]) -> int:
    """The number of events that no finished round has claimed."""
    query = select(func.count()).select_from(events).where(_unfinished(finished))
    return database.read(lambda connection: connection.execute(query).scalar_one())


def waiting_events(database: Database, finished: Collection[int], limit: int | None = None) -> list[FeedbackEvent]:
    """The events that no finished round has claimed, in the order of their arrival; with `limit`, only the first."""
    rows = database.read(lambda connection: _claimed_rows(connection, _unfinished(finished), limit))
    return [_event(text, received) for text, received in rows]


def newest(database: Database, limit: int) -> Iterator[FeedbackEvent]:
    """The events that arrived last, newest first, claimed or not. An event is parsed when the iterator reaches it."""
    query = select(events.c.event, events.c.received_at).order_by(events.c.arrival.desc()).limit(limit)
    rows = database.read(lambda connection: connection.execute(query).all())
    return (_event(text, received) for text, received in rows)


def erase(database: Database, annotator: str, write: bool) -> int:
    """Remove the events and the assignments of an annotator, of every workspace; returns the number of events.

    Without `write`, they are counted.

    Raises:
        NoDatabase: the database does not answer.
    """

    def work(connection: Connection) -> int:
        own = _by(connection, annotator)
        for some in _chunks(own) if write else ():
            connection.execute(delete(events).where(events.c.arrival.in_(some)))
        if write:
            connection.execute(delete(assignments).where(assignments.c.annotator == annotator))
        return len(own)

    if not write:
        return database.read(work)
    count = database.write(work)
    database.compact()
    return count


def _by(connection: Connection, annotator: str) -> list[int]:
    """The numbers of the events of an annotator. The text is searched first: to parse all events takes long."""
    likely = events.c.event.contains(json.dumps(annotator), autoescape=True)
    rows = connection.execute(select(events.c.arrival, events.c.event).where(likely))
    return [number for number, text in rows if json.loads(text).get("annotator_id") == annotator]


def _row(event: FeedbackEvent, now: datetime) -> dict[str, Any]:
    # the version is always stored: a later one may have other defaults
    fields = event.model_dump(mode="json", exclude_defaults=True) | {"schema_version": event.schema_version}
    return {
        "feedback_id": event.feedback_id,
        "content": identity.content(event),
        "event": json.dumps(fields),  # ASCII: JSON can hold a lone surrogate or NUL, PostgreSQL's text cannot
        "received_at": now,
    }


def _event(text: str, received: datetime) -> FeedbackEvent:
    event = FeedbackEvent.model_validate(json.loads(text))
    return event if event.ingested_at else event.model_copy(update={"ingested_at": received})


def _insert(connection: Connection, rows: Iterable[dict[str, Any]]) -> tuple[set[str], dict[str, str]]:
    """The ids that were inserted, and the contents of all rows with these ids, whoever inserted them."""
    new: set[str] = set()
    contents: dict[str, str] = {}
    for some in _chunks(rows):
        new.update(connection.execute(_insertion(connection, some)).scalars())
        names = [row["feedback_id"] for row in some]
        query = select(events.c.feedback_id, events.c.content).where(events.c.feedback_id.in_(names))
        contents.update((name, content) for name, content in connection.execute(query))
    return new, contents


def _insertion(connection: Connection, rows: Sequence[dict[str, Any]]) -> ReturningInsert[str]:
    """Insert the rows whose ids are not taken, and return these ids. Waits for other inserts of the same ids."""
    return inserting(connection, events, rows, "feedback_id").returning(events.c.feedback_id)


def _chunks(rows: Iterable[Value]) -> Iterator[list[Value]]:
    remaining = iter(rows)
    while some := list(islice(remaining, _ROWS)):
        yield some


def _result(given: Iterable[FeedbackEvent], new: set[str], contents: dict[str, str]) -> PutResult:
    unseen = set(new)
    others: list[FeedbackEvent] = []
    for event in given:
        if event.feedback_id in unseen:
            unseen.remove(event.feedback_id)
        else:
            others.append(event)
    changed = tuple(identity.changed(each) for each in others if identity.content(each) != contents[each.feedback_id])
    return PutResult(len(new), len(others) - len(changed), changed)


def _unfinished(finished: Collection[int]) -> ColumnElement[bool]:
    return or_(events.c.round.is_(None), events.c.round.not_in(sorted(finished)))


def _claim(connection: Connection, round: int, condition: ColumnElement[bool]) -> Claim:
    query = select(events.c.feedback_id, events.c.content).where(condition)
    lines = sorted(f"{name}\0{content}\n" for name, content in connection.execute(query))
    return Claim(round, len(lines), hashlib.sha256("".join(lines).encode()).hexdigest())


def _claimed_rows(
    connection: Connection, condition: ColumnElement[bool], limit: int | None = None
) -> list[tuple[str, datetime]]:
    query = select(events.c.event, events.c.received_at).where(condition).order_by(events.c.arrival).limit(limit)
    return [(text, received) for text, received in connection.execute(query)]
