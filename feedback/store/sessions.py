"""The sessions of people who use the pages of the server in a browser. The database has hashes of their tokens only.

A session ends when the person logs out or is forgotten, when its time is over, when its key is revoked, and, if it was
begun without a key, when the first key is made.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import and_, delete, func, insert, or_, select

from feedback.store import keys
from feedback.store.database import Database
from feedback.store.keys import OPEN, KeyRecord, KeyRole
from feedback.store.tables import keys as key_table
from feedback.store.tables import sessions as table

LIFE = timedelta(days=14)
"""Time after which a person has to log in again."""


class SessionRecord(NamedTuple):
    """Who uses a session."""

    person: str
    """The name of the key; without keys, the name that the person typed."""
    role: KeyRole | None
    """Of the key; None on a server without keys."""


def begin(database: Database, key: KeyRecord | None, person: str, now: datetime) -> str:
    """Begin a session, and remove those whose time is over. The token is returned here and never again.

    Args:
        database: has the sessions.
        key: what the person logged in with; None on a server without keys.
        person: the name of the person.
        now: the time.
    """
    token = secrets.token_urlsafe(32)
    row = {"hash": _hash(token), "key": key and key.id, "person": person, "expires_at": now + LIFE}
    database.write(
        lambda connection: (
            connection.execute(delete(table).where(table.c.expires_at <= now)),
            connection.execute(insert(table).values(row)),
        )
    )
    return token


def find(database: Database, token: str, now: datetime) -> SessionRecord | None:
    """Who uses the session with this token; None if it has ended, or never was."""
    query = (
        select(table.c.key, table.c.person, key_table.c.role)
        .outerjoin(key_table, and_(key_table.c.id == table.c.key, key_table.c.revoked_at.is_(None)))
        .where(table.c.hash == _hash(token), table.c.expires_at > now)
    )
    row = database.read(lambda connection: connection.execute(query).first())
    if row is None:
        return None
    if row.key is None:
        return None if keys.exist(database) else SessionRecord(row.person, None)
    return None if row.role is None else SessionRecord(row.person, row.role)


def end(database: Database, token: str) -> None:
    """End a session; repeated, it changes nothing."""
    database.write(lambda connection: connection.execute(delete(table).where(table.c.hash == _hash(token))))


def erase(database: Database, annotator: str, write: bool) -> int:
    """End the sessions of a person, by annotator id; returns their number. Without `write`, they are counted.

    No byte of their rows is left in SQLite's file and log.
    """
    without_key = and_(table.c.key.is_(None), OPEN + ":" + table.c.person == annotator)
    own = or_(and_(table.c.key.is_not(None), table.c.person == annotator), without_key)
    count = select(func.count()).select_from(table).where(own)
    if not write:
        return database.read(lambda connection: connection.execute(count).scalar_one())
    number, _ = database.write(
        lambda connection: (connection.execute(count).scalar_one(), connection.execute(delete(table).where(own)))
    )
    database.empty_log()  # also if there is none: an earlier attempt may have been killed after it removed them
    return number


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
