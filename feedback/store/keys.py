"""The keys with which people and programs use the server. The database has hashes of them only.

A key is `rounds_ID_SECRET`: 32 random bytes after a public id. Its hash needs no salt and no slow function, since
nobody can guess so many bytes.
"""

import hashlib
import hmac
import re
import secrets
from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import Row, and_, func, select, update

from core.errors import BadParams, NotFound
from feedback.store.database import Database
from feedback.store.tables import check_id, inserting
from feedback.store.tables import keys as table

KeyRole = Literal["client", "annotator", "operator"]
"""An application that its users talk to, a person who judges, or a person who runs the workspace."""

OPEN = "local"
"""The name of whoever uses a server that has no keys: a person there is the annotator `local:PERSON`."""

_FORM = re.compile(r"rounds_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")


class KeyRecord(NamedTuple):
    """What is known of a key."""

    id: str
    name: str
    """Of the application or person: feedback that comes with the key is by this name."""
    role: KeyRole
    made_at: datetime
    revoked_at: datetime | None


def make(database: Database, name: str, role: KeyRole, now: datetime) -> str:
    """Make a key; it is returned here and never again.

    Raises:
        BadParams: the name has other characters than letters, digits and `. _ @ -`, a key has it already, or it is that
            of people without keys.
    """
    if not _NAME.fullmatch(name):
        raise BadParams(
            f"a key cannot be called {name[:40]!r}; use up to 100 letters, digits, dots, hyphens, underscores and @"
        )
    if name == OPEN:
        raise BadParams(
            f"a key cannot be called {OPEN}: people who judged on this server before it had keys are {OPEN}:NAME; "
            f"choose another name, such as {OPEN}-app"
        )
    check_id("name", name)
    public, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    row = {"id": public, "name": name, "role": role, "hash": _hash(secret), "made_at": now}
    made = database.write(
        lambda connection: connection.execute(inserting(connection, table, [row], "name").returning(table.c.id)).all()
    )
    if not made:
        raise BadParams(
            f"there is a key called {name} already, and names are never used again; choose another name, such as "
            f"{name}-2"
        )
    return f"rounds_{public}_{secret}"


def every(database: Database) -> list[KeyRecord]:
    """All keys, also those that were revoked, oldest first."""
    query = select(table).order_by(table.c.made_at, table.c.name)
    return [_record(row) for row in database.read(lambda connection: connection.execute(query).all())]


def revoke(database: Database, name: str, now: datetime) -> None:
    """Revoke a key for ever; repeated, it changes nothing.

    Raises:
        NotFound: there is no key of this name.
    """
    change = update(table).where(table.c.name == name, table.c.revoked_at.is_(None)).values(revoked_at=now)
    database.write(lambda connection: connection.execute(change))
    names = [record.name for record in every(database)]
    if name not in names:
        raise NotFound(f"there is no key called {name}; there are: {', '.join(names) or 'none'}")


def erase(database: Database, annotator: str, now: datetime, write: bool) -> int:
    """Revoke the key of an annotator and take the name out of its row; returns how many keys that are: 0 or 1.

    The row stays: without any, the server would be open. Without `write`, they are counted.
    """
    own = and_(table.c.name == annotator, table.c.role == "annotator")
    count = select(func.count()).select_from(table).where(own)
    if not write:
        return database.read(lambda connection: connection.execute(count).scalar_one())
    values = {"name": "forgotten-" + table.c.id, "revoked_at": func.coalesce(table.c.revoked_at, now)}
    number, _ = database.write(
        lambda connection: (
            connection.execute(count).scalar_one(),
            connection.execute(update(table).where(own).values(values)),
        )
    )
    database.empty_log()
    return number


def check(database: Database, key: str) -> KeyRecord | None:
    """The record of a key that is valid now; None for any other text."""
    parts = _FORM.fullmatch(key)
    if parts is None:
        return None
    query = select(table).where(table.c.id == parts[1])
    row = database.read(lambda connection: connection.execute(query).first())
    if row is None or row.revoked_at is not None or not hmac.compare_digest(row.hash, _hash(parts[2])):
        return None
    return _record(row)


def exist(database: Database) -> bool:
    """Whether a key was ever made: from then on, the server is closed without one."""
    query = select(table.c.id).limit(1)
    return database.read(lambda connection: connection.execute(query).first()) is not None


def _record(row: Row[tuple[object, ...]]) -> KeyRecord:
    return KeyRecord(row.id, row.name, row.role, row.made_at, row.revoked_at)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
