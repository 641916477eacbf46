"""What to do about an error of a database, found from its message.

A message in another language gets the general cure.
"""

import re
from typing import NamedTuple


class _Cure(NamedTuple):
    """What to do about the errors whose message has a pattern."""

    pattern: re.Pattern[str]
    cure: str


_SQLITE = (
    _Cure(re.compile("is locked"), "another process has been writing to it; try again when it has ended"),
    _Cure(re.compile("unable to open"), "create its folder, make it writable, and name a file, not a folder"),
    _Cure(re.compile("readonly"), "make the file and its folder writable"),
    _Cure(re.compile("disk is full|disk I/O"), "free space on its disk"),
    _Cure(re.compile("not a database|malformed"), "restore the file from a backup"),
)
_POSTGRESQL = (
    _Cure(re.compile("database .* does not exist"), "create the database with `createdb NAME`, or correct its name in"),
    _Cure(
        re.compile("authentication failed|role .* does not exist|no password|pg_hba"), "correct user and password in"
    ),
    _Cure(
        re.compile("permission denied for schema"),
        "let its owner type `GRANT USAGE, CREATE ON SCHEMA public TO USER`, or name another database in",
    ),
    _Cure(re.compile("no schema has been selected"), "create the schema with `CREATE SCHEMA NAME`, or correct it in"),
    _Cure(re.compile("read-only"), "name the primary server, not a read-only copy, in"),
    _Cure(
        re.compile("lock timeout"),
        "wait for the process that keeps the lock, or name another database in",
    ),
    _Cure(re.compile("resolve host|translate host"), "correct the host in"),
    _Cure(re.compile("too many (clients|connections)|connection slots"), "raise `max_connections`, or name another in"),
)
_VARIABLE = "ROUNDS_FEEDBACK_DATABASE"


def cure(dialect: str, reason: str) -> str:
    """What to do about an error with this message.

    Args:
        dialect: `sqlite` or `postgresql`.
        reason: the message of the database or its driver.
    """
    if dialect == "sqlite":
        return _first(_SQLITE, reason) or "make its folder writable, or restore the file from a backup"
    known = _first(_POSTGRESQL, reason)
    return f"{known} {_VARIABLE}" if known else f"start the server, or set {_VARIABLE} to one that runs"


def _first(cures: tuple[_Cure, ...], reason: str) -> str | None:
    return next((each.cure for each in cures if each.pattern.search(reason)), None)
