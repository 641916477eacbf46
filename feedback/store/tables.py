"""The tables of the feedback database, as SQLAlchemy reads and writes them. `migrations/` creates and changes them.

All names begin with `feedback_`, so that the tables may share a database with those of other programs.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Dialect,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects import postgresql, sqlite

from core.errors import BadFeedback

MAX_ID = 512
"""Maximum length of an id in characters."""

MAX_ID_BYTES = 800
"""Maximum length of an id in UTF-8: PostgreSQL indexes up to 2,704 bytes, and the key of an assignment is three ids."""


_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class UTCDateTime(TypeDecorator[datetime]):
    """A time with its zone. SQLite stores none, so that every time is converted to UTC on its way in."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The time in UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The time in UTC, with its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


_BIG = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only in a column INTEGER

metadata = MetaData()

events = Table(
    "feedback_events",
    metadata,
    # the order of arrival; a number that was used is never used again
    Column("arrival", _BIG, primary_key=True, autoincrement=True),
    Column("feedback_id", String(MAX_ID), nullable=False, unique=True),
    Column("content", String(64), nullable=False),  # SHA-256 of the fields that may not differ under one id
    Column("event", Text, nullable=False),  # JSON without default values
    Column("received_at", UTCDateTime, nullable=False),
    Column("round", Integer),  # the round that claimed the event; NULL until one has
    Index("feedback_events_round", "round", "arrival"),
    sqlite_autoincrement=True,
)

items = Table(
    "feedback_items",
    metadata,
    Column("position", _BIG, primary_key=True, autoincrement=True),  # the order in which items were added
    Column("queue", String(MAX_ID), nullable=False),
    Column("item", String(MAX_ID), nullable=False),
    Column("record", Text, nullable=False),  # JSON: what is judged
    Column("wanted", Integer, nullable=False),  # how many judgements
    Index("feedback_items_item", "queue", "item", unique=True),
    sqlite_autoincrement=True,
)

assignments = Table(
    "feedback_assignments",
    metadata,
    Column("queue", String(MAX_ID), primary_key=True),
    Column("item", String(MAX_ID), primary_key=True),
    Column("annotator", String(MAX_ID), primary_key=True),
    Column("state", String(8), nullable=False),  # held, returned or finished
    Column("expires_at", UTCDateTime, nullable=False),  # from then on, a held item is offered to others
    Column("task", String(32)),  # names the assignment, and tells nothing of its item
    Column("finished_at", UTCDateTime),  # also of a returned item
    Column("stored", Integer, nullable=False, server_default="0"),  # events on it: judgements and withdrawals
    ForeignKeyConstraint(["queue", "item"], ["feedback_items.queue", "feedback_items.item"]),
    Index("feedback_assignments_annotator", "annotator", "queue"),
    Index("feedback_assignments_task", "task", unique=True),
)

owner = Table(
    "feedback_owner",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=False),  # always 1: there is one owner
    Column("workspace", String(64), nullable=False),  # a random id, see `Workspace.identity`
)

served_answers = Table(
    "feedback_served_answers",
    metadata,
    Column("position", _BIG, primary_key=True, autoincrement=True),
    Column("response_id", String(MAX_ID), nullable=False, unique=True),
    Column("completion", String(MAX_ID), nullable=False),
    Column("choice", Integer, nullable=False),
    Column("annotator", String(MAX_ID), nullable=False),
    Column("version", String(64), nullable=False),
    Column("prompt", Text, nullable=False),  # JSON: the turns
    Column("text", Text, nullable=False),  # a JSON text: PostgreSQL stores no NUL character, and a model may write one
    Column("finish", String(16), nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("asked_at", UTCDateTime, nullable=False),
    Column("answered_at", UTCDateTime, nullable=False),
    Column("consent", String(MAX_ID), nullable=False),
    Column("compared", String(64)),
    Column("facts", Text, nullable=False),  # JSON
    Index("feedback_served_answers_completion", "completion"),
    Index("feedback_served_answers_annotator", "annotator"),
    Index("feedback_served_answers_answered_at", "answered_at"),
    sqlite_autoincrement=True,
)

keys = Table(
    "feedback_keys",
    metadata,
    Column("id", String(16), primary_key=True),  # the public part
    Column("name", String(MAX_ID), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("hash", String(64), nullable=False),  # SHA-256 (hex) of the secret part
    Column("made_at", UTCDateTime, nullable=False),
    Column("revoked_at", UTCDateTime),
)

sessions = Table(
    "feedback_sessions",
    metadata,
    Column("hash", String(64), primary_key=True),  # SHA-256 (hex) of the token
    Column("key", String(16)),  # the id of the key that was given; NULL on a server without keys
    Column("person", String(MAX_ID), nullable=False),  # the name of the key, or the name that was typed
    Column("expires_at", UTCDateTime, nullable=False),
)


def inserting(
    connection: Connection, table: Table, rows: Sequence[dict[str, Any]], *unique: str
) -> postgresql.Insert | sqlite.Insert:
    """A statement that inserts the rows whose values in the columns `unique` are not taken.

    Raises:
        BadFeedback: a value is longer than its column. PostgreSQL would refuse it, SQLite would not.
    """
    for row in rows:
        _check_lengths(table, row)
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).values(rows).on_conflict_do_nothing(index_elements=unique)
    return sqlite.insert(table).values(rows).on_conflict_do_nothing(index_elements=unique)


def check_id(field: str, value: str) -> None:
    """Check that a value can be stored as an id, in either database.

    Raises:
        BadFeedback: it is empty or too long, or contains a NUL character or a lone surrogate.
    """
    size = len(value.encode(errors="surrogatepass"))
    if not (0 < len(value) <= MAX_ID and size <= MAX_ID_BYTES) or _UNSTORABLE.search(value):
        raise BadFeedback(
            f"{field} {value[:40]!r} cannot be stored; use an id of 1 to {MAX_ID} characters, of at most "
            f"{MAX_ID_BYTES} bytes in UTF-8, without NUL characters and lone surrogates"
        )


def _check_lengths(table: Table, row: Mapping[str, Any]) -> None:
    for column in table.columns:
        limit, value = getattr(column.type, "length", None), row.get(column.name)
        if limit is not None and isinstance(value, str) and len(value) > limit:
            raise BadFeedback(
                f"{column.name} {value[:40]!r} cannot be stored: it has {len(value)} characters; use at most {limit}"
            )
