"""Label tasks: single assignments by their names. What an annotator has open, is given next, and judged last.

An annotator has one task at a time. It is open until it is judged; a judgement that is taken back opens it again.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select, update

from core.errors import RoundsError
from feedback.label_roles import Role
from feedback.store import label_queues, queue
from feedback.store.database import Change, Database
from feedback.store.label_queues import ENDLESS, is_assignment_of_one, stored_name
from feedback.store.queue import FINISHED, State, active, same_item
from feedback.store.tables import assignments, inserting, items

APART = 5
"""An item is repeated once its annotator has judged so many others after it, and does not remember it."""


REPEATED = ("comparison", "binary", "rating")
"""Kinds of items that are repeated: two texts of one person are not compared."""


class TaskMoved(RoundsError):
    """A task is no longer as it was read: another request judged it, took it back, or it was handed back."""


class Assignment(NamedTuple):
    """An item in the hands of one annotator."""

    task: str
    """Its name."""
    queue: str
    item: str
    annotator: str
    state: State
    until: datetime
    """Until when it is kept, if it is held."""
    finished_at: datetime | None
    """When it was judged; None if it was not, or if the judgement was taken back."""
    stored: int
    """Number of events on it: judgements and withdrawals."""
    record: Mapping[str, Any]
    """What is judged, as JSON values."""


class AnnotatorCounts(NamedTuple):
    """How far one annotator is."""

    since: int
    """Items judged since a time."""
    judged: int
    """Items judged in all, those of rounds included."""
    offered: int
    """Tasks of labelling queues that the annotator holds or will be given, gold items and repeats included.

    Each task lowers it by one, so that it does not tell which ones are gold items and repeats. What others are given
    lowers it too.
    """
    can_undo: bool
    """Whether there is a last judgement (`last`), which may be a skip."""


def named(database: Database, task: str) -> Assignment | None:
    """The assignment of this name; None if there is none."""
    return _first(database, _assignments().where(assignments.c.task == task))


def of(database: Database, queue: str, item: str, annotator: str) -> Assignment | None:
    """The assignment of an item to an annotator; None if there is none."""
    own = (assignments.c.queue == queue, assignments.c.item == item, assignments.c.annotator == annotator)
    return _first(database, _assignments().where(*own))


def resume(
    database: Database, annotator: str, now: datetime, until: datetime, votes: str | None = None
) -> Assignment | None:
    """The task that an annotator has open, kept until a later time; None if there is none.

    A task whose judgement was taken back comes first. One whose time is over, and whose item others have judged as
    often as it wants, is handed back: it is done.

    Args:
        database: the database.
        annotator: who asks.
        now: the time.
        until: until when the task is kept from now on.
        votes: the queue of a round's pairs, of which those are resumed whose vote was taken back.
    """
    return database.write(lambda connection: _resumed(connection, annotator, now, until, votes))


def take(
    database: Database, annotator: str, now: datetime, until: datetime, role: Callable[[str, int], Role]
) -> Assignment | None:
    """The task that an annotator has open, or the next one of a labelling queue; None if there is none.

    Args:
        database: the database.
        annotator: who asks.
        now: the time.
        until: until when the task is kept.
        role: name of a queue, and how many tasks of it the annotator had → what the next one is to be. If there is no
            gold item or repeat for the annotator, it is an ordinary one.

    Raises:
        BadFeedback: the annotator is unknown.
    """
    queue.check_annotator(annotator)

    def work(connection: Connection) -> Assignment | None:
        if open_task := _resumed(connection, annotator, now, until, None):
            return open_task
        given = (_given(connection, name, annotator, now, until, role) for name in label_queues.names(connection))
        return next((task for task in given if task), None)

    return database.write(work)


def closing(task: Assignment, state: State, stored: int, now: datetime) -> Change:
    """What notes that a task was judged (`finished`), or that others are to judge the item (`returned`).

    It raises `TaskMoved` if the task is no longer as it was read, so that of two judgements at once, one is noted. If
    the clock was set back, the time that is noted is after that of the annotator's last judgement.

    Args:
        task: the task, as it was read.
        state: what it is now.
        stored: how many events there are on it now.
        now: the time.
    """

    def work(connection: Connection) -> None:
        at = queue.after_last(connection, task.annotator, now)
        _moving(task, {"state": state, "stored": stored, "finished_at": at})(connection)

    return work


def reopening(task: Assignment, stored: int, until: datetime) -> Change:
    """What opens a task again whose judgement was taken back. It raises `TaskMoved` as `closing` does."""
    return _moving(task, {"state": "held", "stored": stored, "finished_at": None, "expires_at": until})


def last(database: Database, annotator: str) -> Assignment | None:
    """What an annotator judged last, a pair of a round or an item of a labelling queue; None without a judgement."""
    own = (assignments.c.annotator == annotator, assignments.c.finished_at.is_not(None))
    ordered = _assignments().where(*own).order_by(assignments.c.finished_at.desc(), items.c.position.desc())
    return _first(database, ordered.limit(1))


def counts(
    database: Database, annotator: str, since: datetime, now: datetime, role: Callable[[str, int], Role]
) -> AnnotatorCounts:
    """How many items an annotator judged, and how many tasks are to come; `role` is that of `take`."""
    own = assignments.c.annotator == annotator
    judged = select(func.count()).where(own, FINISHED)
    held = select(func.count()).where(own, is_assignment_of_one(), _held())
    ended = select(func.count()).where(own, assignments.c.finished_at.is_not(None))

    def work(connection: Connection) -> AnnotatorCounts:
        numbers = (judged.where(assignments.c.finished_at >= since), judged, held, ended)
        today, every, open_tasks, finished = (connection.execute(query).scalar_one() for query in numbers)
        names = label_queues.names(connection)
        coming = sum(_coming(connection, name, annotator, now, role) for name in names)
        return AnnotatorCounts(today, every, open_tasks + coming, finished > 0)

    return database.read(work)


def offered_at(database: Database, annotator: str, now: datetime) -> datetime | None:
    """When an item that others hold is offered to an annotator unless they judge it before; None if there is none.

    Gold items and repeats are left out, as are items that the annotator had.
    """
    holders = assignments.alias()
    had = select(assignments.c.item).where(same_item(), assignments.c.annotator == annotator).exists()
    query = (
        select(items.c.queue, items.c.item, items.c.wanted - queue.count(FINISHED), holders.c.expires_at)
        .join(holders, and_(holders.c.queue == items.c.queue, holders.c.item == items.c.item))
        .where(label_queues.is_item_of_one(), items.c.queue.not_like("%#%"), ~had)
        .where(holders.c.state == "held", holders.c.expires_at > now)
        .order_by(holders.c.expires_at)
    )
    times: dict[tuple[str, str, int], list[datetime]] = {}
    for name, item, more, expires in database.read(lambda connection: connection.execute(query).all()):
        times.setdefault((name, item, more), []).append(expires)
    # an item that wants two more judgements and has three holders is offered once two of them are late
    return min((held[len(held) - more] for (*_, more), held in times.items() if 0 < more <= len(held)), default=None)


def _given(
    connection: Connection,
    name: str,
    annotator: str,
    now: datetime,
    until: datetime,
    role: Callable[[str, int], Role],
) -> Assignment | None:
    """The next task of one queue; None if it has no ordinary item for the annotator."""
    main = stored_name(name)
    queue.lock(connection, main)
    kind = role(name, _had(connection, name, annotator))
    if kind != "ordinary" and connection.execute(queue.offered(main, annotator, now, False).limit(1)).first():
        drawn = _gold(connection, name, annotator, now, until) if kind == "gold" else None
        drawn = _repeated(connection, name, annotator, until) if kind == "repeat" else drawn
        if drawn:
            return _of(connection, stored_name(name, kind), drawn, annotator)
    given = queue.give(connection, main, annotator, 1, now, until)
    return _of(connection, main, given[0].item, annotator) if given else None


def _had(connection: Connection, name: str, annotator: str) -> int:
    """How many tasks of a queue an annotator had."""
    own = [stored_name(name, each) for each in ("ordinary", "gold", "repeat")]
    had = select(func.count()).where(assignments.c.queue.in_(own), assignments.c.annotator == annotator)
    return int(connection.execute(had).scalar_one())


def _coming(connection: Connection, name: str, annotator: str, now: datetime, role: Callable[[str, int], Role]) -> int:
    """How many tasks of one queue the annotator will be given: the rules of `_given`, applied to the numbers alone."""
    ordinary, gold = (
        _count(connection, queue.offered(stored_name(name, each), annotator, now, False))
        for each in ("ordinary", "gold")
    )
    judged = _unrepeated(name, annotator, or_(FINISHED, _held()))  # what is held is judged before the next task
    first = connection.execute(judged.limit(1)).first()
    can_repeat = first is None or json.loads(first.record)["kind"] in REPEATED
    remembered, number = _count(connection, judged), _had(connection, name, annotator)
    tasks = 0
    while ordinary:
        kind = role(name, number + tasks)
        tasks += 1
        if kind == "gold" and gold:
            gold -= 1
        elif kind == "repeat" and can_repeat and remembered > APART:
            remembered -= 1
        else:
            ordinary -= 1
            remembered += 1
    return tasks


def _count(connection: Connection, query: Select[Any]) -> int:
    return int(connection.execute(select(func.count()).select_from(query.order_by(None).subquery())).scalar_one())


def _gold(connection: Connection, name: str, annotator: str, now: datetime, until: datetime) -> str | None:
    """A gold item that the annotator never had; None if there is none."""
    given = queue.give(connection, stored_name(name, "gold"), annotator, 1, now, until)
    return given[0].item if given else None


def _repeated(connection: Connection, name: str, annotator: str, until: datetime) -> str | None:
    """The item that the annotator judged first and not again; it is given again. None if all were judged just now."""
    repeats = stored_name(name, "repeat")
    judged = connection.execute(_unrepeated(name, annotator, FINISHED).limit(APART + 1)).all()
    if len(judged) <= APART:
        return None
    first = judged[0]
    if json.loads(first.record)["kind"] not in REPEATED:
        return None
    row = {"queue": repeats, "item": first.item, "record": first.record, "wanted": ENDLESS}
    connection.execute(inserting(connection, items, [row], "queue", "item"))
    connection.execute(assignments.insert().values(queue.assignment(repeats, first.item, annotator, "held", until)))
    return str(first.item)


def _unrepeated(name: str, annotator: str, condition: ColumnElement[bool]) -> Select[Any]:
    """The ordinary items of an annotator that meet a condition and were not given again, those judged first first."""
    repeats = stored_name(name, "repeat")
    again = select(assignments.c.item).where(assignments.c.queue == repeats, assignments.c.annotator == annotator)
    return (
        select(assignments.c.item, items.c.record)
        .join(items, same_item())
        .where(assignments.c.queue == stored_name(name), assignments.c.annotator == annotator, condition)
        .where(assignments.c.item.not_in(again))
        .order_by(assignments.c.finished_at, items.c.position)
    )


def _resumed(
    connection: Connection, annotator: str, now: datetime, until: datetime, votes: str | None
) -> Assignment | None:
    queue.lock(connection, f"annotator {annotator}")  # two windows of one person get one task
    reopened = and_(assignments.c.queue == (votes or ""), assignments.c.stored > 0)
    query = (
        _assignments()
        .where(assignments.c.annotator == annotator, _held(), or_(is_assignment_of_one(), reopened))
        .order_by((assignments.c.stored > 0).desc(), assignments.c.expires_at.desc(), items.c.position)
    )
    for task in map(_assignment, connection.execute(query).all()):
        own = assignments.c.task == task.task
        if task.until <= now and _is_done(connection, task, now):
            connection.execute(update(assignments).where(own).values(state="returned"))
            continue
        connection.execute(update(assignments).where(own, assignments.c.expires_at < until).values(expires_at=until))
        return task._replace(until=max(task.until, until))
    return None


def _is_done(connection: Connection, task: Assignment, now: datetime) -> bool:
    """Whether an item has as many judgements, or others who hold it, as it wants."""
    queue.lock(connection, task.queue)
    taken = queue.count(or_(FINISHED, active(now)))
    query = select(taken >= items.c.wanted).where(items.c.queue == task.queue, items.c.item == task.item)
    return bool(connection.execute(query).scalar_one())


def _moving(task: Assignment, values: Mapping[str, Any]) -> Change:
    own = (assignments.c.task == task.task, assignments.c.state == task.state, assignments.c.stored == task.stored)
    change = update(assignments).where(*own).values(values).returning(assignments.c.task)

    def work(connection: Connection) -> None:
        if connection.execute(change).first() is None:
            raise TaskMoved(f"the task {task.task} was changed by another request in the meantime; take the next task")

    return work


def _held() -> Any:
    return assignments.c.state == "held"


def _assignments() -> Select[Any]:
    return select(assignments, items.c.record).join(items, same_item())


def _of(connection: Connection, queue: str, item: str, annotator: str) -> Assignment:
    own = (assignments.c.queue == queue, assignments.c.item == item, assignments.c.annotator == annotator)
    return _assignment(connection.execute(_assignments().where(*own)).one())


def _first(database: Database, query: Select[Any]) -> Assignment | None:
    row = database.read(lambda connection: connection.execute(query).first())
    return None if row is None else _assignment(row)


def _assignment(row: Row[Any]) -> Assignment:
    return Assignment(
        task=row.task,
        queue=row.queue,
        item=row.item,
        annotator=row.annotator,
        state=row.state,
        until=row.expires_at,
        finished_at=row.finished_at,
        stored=row.stored,
        record=json.loads(row.record),
    )
