"""The labelling queue in the feedback database: which items want judgements, and which annotator has what.

An annotator takes an item and then holds it, until it is finished, handed back, or its time is over. Nobody is given
the same item twice: whoever handed it back is not asked again, and whoever was late still holds it and can finish it.
"""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, ScalarSelect, Select, and_, func, literal, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from core.errors import BadFeedback, NotFound
from feedback.store.database import Database
from feedback.store.tables import assignments, check_id, inserting, items

State = Literal["held", "returned", "finished"]

_UNKNOWN = "unknown"
"""The annotator of an event that names none."""

_ROWS = 500
"""How many rows one statement inserts: SQLite binds at most 32,766 values."""

FINISHED = assignments.c.state == "finished"


class QueueItem(NamedTuple):
    """One thing to be judged."""

    item: str
    """Its id, unique in its queue."""
    record: Mapping[str, Any]
    """What is judged, as JSON values."""


class QueueProgress(NamedTuple):
    """How far a queue is."""

    items: int
    wanted: int
    """Judgements that are wanted, over all items."""
    finished: int
    """Judgements that were finished. Those beyond the number that an item wants are not counted."""
    held: int
    """Items that annotators hold and whose time is not over."""


def add(database: Database, queue: str, new: Sequence[QueueItem], wanted: int = 1) -> int:
    """Add items to a queue, each of which wants `wanted` judgements; returns how many were new.

    An item that is in the queue already stays as it is.

    Raises:
        BadFeedback: an id cannot be stored, or `wanted` is below 1.
    """
    if wanted < 1:
        raise BadFeedback(f"wanted={wanted} asks for no judgement; use at least 1")
    for name, value in (("queue", queue), *(("item", each.item) for each in new)):
        check_id(name, value)
    rows = [_row(queue, each, wanted) for each in new]
    return database.write(lambda connection: sum(_insert(connection, some) for some in _chunks(rows)))


def take(
    database: Database,
    queue: str,
    annotator: str,
    limit: int,
    now: datetime,
    time: timedelta,
    beyond_wanted: bool = False,
) -> list[QueueItem]:
    """Give an annotator up to `limit` items that want judgements and that the annotator never had.

    Items with the fewest judgements come first, then those that were added first. For `time` they are kept for the
    annotator; after that they are offered to others as well. With `beyond_wanted`, items that have as many judgements
    as they want are given too, after the others.

    Raises:
        BadFeedback: the annotator is unknown.
    """
    check_annotator(annotator)

    return database.write(lambda connection: give(connection, queue, annotator, limit, now, now + time, beyond_wanted))


def give(
    connection: Connection,
    queue: str,
    annotator: str,
    limit: int,
    now: datetime,
    until: datetime,
    beyond_wanted: bool = False,
) -> list[QueueItem]:
    """The same in a transaction."""
    lock(connection, queue)
    rows = connection.execute(offered(queue, annotator, now, beyond_wanted).limit(limit)).all()
    for row in rows:
        connection.execute(assignments.insert().values(assignment(queue, row.item, annotator, "held", until)))
    return [QueueItem(row.item, json.loads(row.record)) for row in rows]


def held(database: Database, queue: str, annotator: str) -> list[QueueItem]:
    """The items that an annotator has taken, and neither finished nor handed back, also those whose time is over."""
    query = (
        select(items.c.item, items.c.record)
        .join(assignments, same_item())
        .where(items.c.queue == queue, assignments.c.annotator == annotator, assignments.c.state == "held")
        .order_by(items.c.position)
    )
    rows = database.read(lambda connection: connection.execute(query).all())
    return [QueueItem(row.item, json.loads(row.record)) for row in rows]


def judged(database: Database, queue: str, annotator: str) -> set[str]:
    """The items that an annotator has finished or handed back."""
    own = (assignments.c.queue == queue, assignments.c.annotator == annotator, assignments.c.state != "held")
    query = select(assignments.c.item).where(*own)
    return set(database.read(lambda connection: connection.execute(query).scalars().all()))


def extend(database: Database, queue: str, annotator: str, until: datetime) -> None:
    """Keep the items that an annotator holds for the annotator until a later time, also those whose time is over."""
    own = (assignments.c.queue == queue, assignments.c.annotator == annotator, assignments.c.state == "held")
    change = update(assignments).where(*own, assignments.c.expires_at < until).values(expires_at=until)
    database.write(lambda connection: connection.execute(change))


def hand_back(database: Database, queue: str, annotator: str, names: Sequence[str]) -> int:
    """Give items to others that the annotator does not want to judge; returns how many the annotator held."""
    change = (
        update(assignments)
        .where(
            assignments.c.queue == queue,
            assignments.c.annotator == annotator,
            assignments.c.item.in_(names),
            assignments.c.state == "held",
        )
        .values(state="returned")
        .returning(assignments.c.item)
    )
    return len(database.write(lambda connection: connection.execute(change).all()))


def finish(database: Database, queue: str, annotator: str, names: Sequence[str], now: datetime) -> None:
    """Note that an annotator has judged items, also late, or without having taken them. Repeated, it changes nothing.

    Raises:
        BadFeedback: the annotator is unknown.
        NotFound: an item is not in the queue; none is noted then.
    """
    check_annotator(annotator)
    database.write(lambda connection: _finish(connection, queue, annotator, names, now))


def check_annotator(annotator: str) -> None:
    """Check that a name stands for one person.

    Raises:
        BadFeedback: it does not, or it cannot be stored.
    """
    if not annotator.strip() or annotator == _UNKNOWN:
        raise BadFeedback(
            f"annotator {annotator!r} may be several people; give each a name, since a person judges an item once"
        )
    check_id("annotator", annotator)


def progress(database: Database, queue: str, now: datetime) -> QueueProgress:
    """How many judgements a queue wants, and how many it has."""

    def work(connection: Connection) -> QueueProgress:
        rows = connection.execute(select(items.c.wanted, count(FINISHED)).where(items.c.queue == queue)).all()
        held = select(func.count()).where(assignments.c.queue == queue, active(now))
        counts = [(wanted, min(finished, wanted)) for wanted, finished in rows]
        wanted, finished = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0)
        return QueueProgress(len(rows), wanted, finished, connection.execute(held).scalar_one())

    return database.read(work)


def lock(connection: Connection, name: str) -> None:
    """Let one transaction at a time give out items of a queue. SQLite has one writer at a time in any case."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})


def offered(queue: str, annotator: str, now: datetime, beyond_wanted: bool) -> Select[Any]:
    """The items that want more judgements than they have or wait for, and that the annotator never had."""
    had = select(assignments.c.item).where(same_item(), assignments.c.annotator == annotator).exists()
    taken = count(or_(FINISHED, active(now)))
    return (
        select(items.c.item, items.c.record)
        .where(items.c.queue == queue, or_(taken < items.c.wanted, literal(beyond_wanted)), ~had)
        .order_by(taken, items.c.position)
    )


def count(condition: ColumnElement[bool]) -> ScalarSelect[int]:
    """The number of assignments of an item that meet a condition."""
    return select(func.count()).where(same_item(), condition).correlate(items).scalar_subquery()


def active(now: datetime) -> ColumnElement[bool]:
    """Whether an assignment is held and its time is not over."""
    return and_(assignments.c.state == "held", assignments.c.expires_at > now)


def same_item() -> ColumnElement[bool]:
    """Whether an assignment is of an item."""
    return and_(assignments.c.queue == items.c.queue, assignments.c.item == items.c.item)


def _row(queue: str, new: QueueItem, wanted: int) -> dict[str, Any]:
    return {"queue": queue, "item": new.item, "record": json.dumps(dict(new.record)), "wanted": wanted}


def _chunks(rows: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    return (rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS))


def _insert(connection: Connection, rows: Sequence[dict[str, Any]]) -> int:
    return len(connection.execute(inserting(connection, items, rows, "queue", "item").returning(items.c.item)).all())


def after_last(connection: Connection, annotator: str, now: datetime) -> datetime:
    """The time, or one after the annotator's last judgement if the clock was set back: undo goes by these times."""
    query = select(func.max(assignments.c.finished_at)).where(assignments.c.annotator == annotator)
    last: datetime | None = connection.execute(query).scalar_one()
    return now if last is None or last < now else last + timedelta(microseconds=1)


def assignment(queue: str, item: str, annotator: str, state: State, expires: datetime) -> dict[str, Any]:
    """A new row: its name is random, so that nobody who knows queue and item can compute it."""
    return {
        "queue": queue,
        "item": item,
        "annotator": annotator,
        "state": state,
        "expires_at": expires,
        "task": secrets.token_hex(16),
    }


def _finish(connection: Connection, queue: str, annotator: str, names: Sequence[str], now: datetime) -> None:
    known = connection.execute(select(items.c.item).where(items.c.queue == queue, items.c.item.in_(names))).scalars()
    if missing := sorted(set(names) - set(known)):
        raise NotFound(f"the queue {queue} has no item {missing[0]!r}; use the ids of the items that were taken")
    at = after_last(connection, annotator, now)
    for name in names:
        row = assignment(queue, name, annotator, "finished", now) | {"finished_at": at}
        connection.execute(_upserting(connection, row))


def _upserting(connection: Connection, row: dict[str, Any]) -> postgresql.Insert | sqlite.Insert:
    keys = ["queue", "item", "annotator"]
    at = func.coalesce(assignments.c.finished_at, row["finished_at"])
    finished: dict[str, Any] = {"state": "finished", "finished_at": at}
    if connection.dialect.name == "postgresql":
        return postgresql.insert(assignments).values(row).on_conflict_do_update(index_elements=keys, set_=finished)
    return sqlite.insert(assignments).values(row).on_conflict_do_update(index_elements=keys, set_=finished)
