"""The labelling queues of the label page. Each is three queues of `feedback.store.queue`: items, gold and repeats.

Gold items, whose right answer is known, and items that a person judges a second time want no number of judgements:
every annotator may get each of them, once.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, func, select

from core.errors import BadParams
from feedback.label_roles import Role
from feedback.store import queue
from feedback.store.database import Database
from feedback.store.erasure import has_text
from feedback.store.queue import QueueItem, QueueProgress
from feedback.store.tables import assignments, items, served_answers

PREFIX = "label:"
"""Of the names of these queues: those of the pairs of rounds have none."""

_SUFFIXES: dict[Role, str] = {"ordinary": "", "gold": "#gold", "repeat": "#repeat"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

ENDLESS = 2**31 - 1
"""How many judgements an item wants that every annotator may get."""


class LabelQueueState(NamedTuple):
    """One labelling queue."""

    name: str
    items: int
    gold: int
    """Gold items; they are not among `items`."""
    wanted: int
    """Judgements that are wanted, over all items."""
    finished: int
    """Judgements that were finished. Those beyond the number that an item wants are not counted."""
    held: int
    """Items that annotators hold and whose time is not over, gold and repeats left out."""


def stored_name(name: str, role: Role = "ordinary") -> str:
    """The name of the queue of one role in the tables."""
    return f"{PREFIX}{name}{_SUFFIXES[role]}"


def parsed(stored: str) -> tuple[str, Role] | None:
    """Name and role of a queue in the tables; None if it is no labelling queue."""
    if not stored.startswith(PREFIX):
        return None
    name, _, suffix = stored.removeprefix(PREFIX).partition("#")
    return name, next(role for role, own in _SUFFIXES.items() if own.removeprefix("#") == suffix)


def is_item_of_one() -> ColumnElement[bool]:
    """Whether an item is in a labelling queue, in any role."""
    return items.c.queue.startswith(PREFIX, autoescape=True)


def is_assignment_of_one() -> ColumnElement[bool]:
    """Whether an assignment is in a labelling queue, in any role."""
    return assignments.c.queue.startswith(PREFIX, autoescape=True)


def add(database: Database, name: str, new: Sequence[QueueItem], wanted: int, gold: bool = False) -> int:
    """Add items to a labelling queue, which is made if it is new; returns how many items were new.

    Raises:
        BadParams: the name has other characters than letters, digits, dots, hyphens and underscores.
        BadFeedback: see `queue.add`.
    """
    if not _NAME.fullmatch(name):
        raise BadParams(
            f"a queue cannot be called {name[:40]!r}; use up to 100 letters, digits, dots, hyphens and underscores"
        )
    role: Role = "gold" if gold else "ordinary"
    return queue.add(database, stored_name(name, role), new, ENDLESS if gold else wanted)


def names(connection: Connection) -> list[str]:
    """The names of all labelling queues, in the order in which they were made."""
    query = select(items.c.queue).where(is_item_of_one()).group_by(items.c.queue).order_by(func.min(items.c.position))
    found = [parsed(stored) for stored in connection.execute(query).scalars()]
    return list(dict.fromkeys(each[0] for each in found if each))


def states(database: Database, now: datetime) -> list[LabelQueueState]:
    """All labelling queues, in the order in which they were made."""
    return [_state(database, name, now) for name in database.read(names)]


def open_items(database: Database, name: str) -> int:
    """The number of items of a queue that have fewer judgements than they want; gold and repeats are left out."""
    unfinished = queue.count(queue.FINISHED) < items.c.wanted
    query = select(func.count()).select_from(items).where(items.c.queue == stored_name(name), unfinished)
    return database.read(lambda connection: connection.execute(query).scalar_one())


def known(database: Database) -> set[str]:
    """The ids of the items of all labelling queues, gold items included."""
    query = select(items.c.item).where(is_item_of_one()).distinct()
    return set(database.read(lambda connection: connection.execute(query).scalars().all()))


def remove(database: Database, name: str) -> None:
    """Remove a queue with its gold items and all its assignments. Events stay; repeated, it changes nothing."""
    stored = [stored_name(name, role) for role in _SUFFIXES]

    def work(connection: Connection) -> None:
        connection.execute(delete(assignments).where(assignments.c.queue.in_(stored)))
        connection.execute(delete(items).where(items.c.queue.in_(stored)))

    database.write(work)


def erase(database: Database, field: str, value: str, write: bool) -> int:
    """Remove the items of all labelling queues that were made from answers of the server; returns their number.

    Args:
        database: the database.
        field: `asker`, of items made from answers to one person, or `response_id`, of those made from one answer.
        value: the id.
        write: whether they are removed, and not only counted.
    """
    likely = items.c.record.contains(json.dumps(value), autoescape=True)
    return _erase(database, lambda _, record: value in _values(record, field), write, likely)


def erase_texts(database: Database, texts: Set[str], write: bool) -> int:
    """Remove the items of all labelling queues that have one of the texts; returns their number.

    Args:
        database: the database.
        texts: of prompts or answers.
        write: whether they are removed, and not only counted.
    """
    return _erase(database, lambda _, record: has_text(record, texts), write) if texts else 0


def erase_expired(database: Database) -> int:
    """Remove the items made from answers of the server that are no longer stored; returns their number.

    An item is kept while an answer to its asker has its prompt.
    """
    return _erase(database, _is_expired, True, items.c.record.contains('"asker"'))


def texts(database: Database) -> Iterator[str]:
    """The texts of the prompts of all items of labelling queues."""
    query = select(items.c.record).where(is_item_of_one())
    for record in database.read(lambda connection: connection.execute(query).scalars().all()):
        yield from (turn["content"] for turn in json.loads(record).get("prompt", ()))


def _erase(
    database: Database, has: Callable[[Connection, Mapping[str, Any]], bool], write: bool, *likely: ColumnElement[bool]
) -> int:
    """Remove the items of whose records something is true, with their assignments; returns their number."""

    def work(connection: Connection) -> int:
        query = select(items.c.queue, items.c.item, items.c.record).where(is_item_of_one(), *likely)
        found = [row for row in connection.execute(query).all() if has(connection, json.loads(row.record))]
        for row in found if write else ():
            own = (assignments.c.queue == row.queue, assignments.c.item == row.item)
            connection.execute(delete(assignments).where(*own))
            connection.execute(delete(items).where(items.c.queue == row.queue, items.c.item == row.item))
        return len(found)

    if not write:
        return database.read(work)
    count = database.write(work)
    database.empty_log()  # also if there is none: an earlier attempt may have been killed after it removed them
    return count


def _is_expired(connection: Connection, record: Mapping[str, Any]) -> bool:
    """Whether the server no longer has an answer to the asker with the prompt of an item."""
    asker = record.get("asker")
    if asker is None:  # the word is elsewhere in the record
        return False
    prompt = json.dumps(record["prompt"], ensure_ascii=False)
    own = (served_answers.c.annotator == asker, served_answers.c.prompt == prompt)
    return connection.execute(select(served_answers.c.position).where(*own).limit(1)).first() is None


def _values(record: Mapping[str, Any], field: str) -> list[Any]:
    return [record.get(field), *(response.get(field) for response in record["responses"])]


def _state(database: Database, name: str, now: datetime) -> LabelQueueState:
    own: QueueProgress = queue.progress(database, stored_name(name), now)
    gold = queue.progress(database, stored_name(name, "gold"), now).items
    return LabelQueueState(name, own.items, gold, own.wanted, own.finished, own.held)
