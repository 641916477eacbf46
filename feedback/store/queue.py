"""The labelling queue in the feedback database: which items want judgements, and which annotator has what.

An annotator takes an item and then holds it, until it is finished, handed back, or its time is over. Nobody is given
the same item twice: whoever handed it back is not asked again, and whoever was late still holds it and can finish it.
"""

import json
from collections.abc import Mapping, Sequence
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

_FINISHED = assignments.c.state == "finished"


class QueueItem(NamedTuple):
    """One thing to be judged."""

    item: str
    """Its id, unique in its queue."""
    record: Mapping[str, Any]
    """What an annotator is shown, as JSON values."""


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
    return database.write(lambda connection: sum(_insert(connection, row) for row in rows))


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

    def work(connection: Connection) -> list[QueueItem]:
        _lock(connection, queue)
        rows = connection.execute(_offered(queue, annotator, now, beyond_wanted).limit(limit)).all()
        for row in rows:
            connection.execute(assignments.insert().values(_assignment(queue, row.item, annotator, "held", now + time)))
        return [QueueItem(row.item, json.loads(row.record)) for row in rows]

    return database.write(work)


def held(database: Database, queue: str, annotator: str) -> list[QueueItem]:
    """The items that an annotator has taken, and neither finished nor handed back, also those whose time is over."""
    query = (
        select(items.c.item, items.c.record)
        .join(assignments, _same_item())
        .where(items.c.queue == queue, assignments.c.annotator == annotator, assignments.c.state == "held")
        .order_by(items.c.position)
    )
    rows = database.read(lambda connection: connection.execute(query).all())
    return [QueueItem(row.item, json.loads(row.record)) for row in rows]


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
        rows = connection.execute(select(items.c.wanted, _count(_FINISHED)).where(items.c.queue == queue)).all()
        active = select(func.count()).where(assignments.c.queue == queue, _active(now))
        counts = [(wanted, min(finished, wanted)) for wanted, finished in rows]
        wanted, finished = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0)
        return QueueProgress(len(rows), wanted, finished, connection.execute(active).scalar_one())

    return database.read(work)


def _lock(connection: Connection, queue: str) -> None:
    """Let one transaction at a time give out items of a queue. SQLite has one writer at a time in any case."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:queue, 0))"), {"queue": queue})


def _offered(queue: str, annotator: str, now: datetime, beyond_wanted: bool) -> Select[Any]:
    """The items that want more judgements than they have or wait for, and that the annotator never had."""
    had = select(assignments.c.item).where(_same_item(), assignments.c.annotator == annotator).exists()
    taken = _count(or_(_FINISHED, _active(now)))
    return (
        select(items.c.item, items.c.record)
        .where(items.c.queue == queue, or_(taken < items.c.wanted, literal(beyond_wanted)), ~had)
        .order_by(taken, items.c.position)
    )


def _count(condition: ColumnElement[bool]) -> ScalarSelect[int]:
    """The number of assignments of an item that meet a condition."""
    return select(func.count()).where(_same_item(), condition).correlate(items).scalar_subquery()


def _active(now: datetime) -> ColumnElement[bool]:
    return and_(assignments.c.state == "held", assignments.c.expires_at > now)


def _same_item() -> ColumnElement[bool]:
    return and_(assignments.c.queue == items.c.queue, assignments.c.item == items.c.item)


def _row(queue: str, new: QueueItem, wanted: int) -> dict[str, Any]:
    return {"queue": queue, "item": new.item, "record": json.dumps(dict(new.record)), "wanted": wanted}


def _insert(connection: Connection, row: dict[str, Any]) -> int:
    return len(connection.execute(inserting(connection, items, [row], "queue", "item").returning(items.c.item)).all())


def _assignment(queue: str, item: str, annotator: str, state: State, expires: datetime) -> dict[str, Any]:
    return {"queue": queue, "item": item, "annotator": annotator, "state": state, "expires_at": expires}


def _finish(connection: Connection, queue: str, annotator: str, names: Sequence[str], now: datetime) -> None:
    known = connection.execute(select(items.c.item).where(items.c.queue == queue, items.c.item.in_(names))).scalars()
    if missing := sorted(set(names) - set(known)):
        raise NotFound(f"the queue {queue} has no item {missing[0]!r}; use the ids of the items that were taken")
    for name in names:
        row = _assignment(queue, name, annotator, "finished", now)
        connection.execute(_upserting(connection, row))


def _upserting(connection: Connection, row: dict[str, Any]) -> postgresql.Insert | sqlite.Insert:
    keys, finished = ["queue", "item", "annotator"], {"state": "finished"}
    if connection.dialect.name == "postgresql":
        return postgresql.insert(assignments).values(row).on_conflict_do_update(index_elements=keys, set_=finished)
    return sqlite.insert(assignments).values(row).on_conflict_do_update(index_elements=keys, set_=finished)
