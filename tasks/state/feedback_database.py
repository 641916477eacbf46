"""The feedback database of a workspace: a file in it, or the server that an environment variable names."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from core import urls
from core.errors import RoundsError
from feedback.schema import FeedbackEvent
from tasks.state import identity, records
from tasks.state.round import Round
from tasks.state.workspace import Workspace

if TYPE_CHECKING:
    from feedback.store.database import Database, DatabaseState

ADDRESS = "ROUNDS_FEEDBACK_DATABASE"
"""The environment variable with the URL of a PostgreSQL database. Each workspace needs one of its own."""


def served() -> bool:
    """Whether the environment names a database outside the workspace."""
    return bool(os.environ.get(ADDRESS))


def place(workspace: Workspace) -> Path | str:
    """Where it is: the file, or the address of a server, without its password."""
    address = os.environ.get(ADDRESS)
    return urls.without_secrets(address) if address else workspace.feedback_database


def exists(workspace: Workspace) -> bool:
    """Whether events may have arrived singly: a server is named, or the file was created."""
    return served() or workspace.feedback_database.exists()


@contextmanager
def opened(workspace: Workspace) -> Iterator["Database"]:
    """The database, created and migrated where necessary, while the block runs.

    Raises:
        RoundsError: see `feedback.store.database.connect`.
    """
    from feedback.store import database  # only here: SQLAlchemy takes a second to load

    connected = database.connect(os.environ.get(ADDRESS) or workspace.feedback_database, identity.made(workspace).id)
    try:
        yield connected
    finally:
        connected.close()


def state(workspace: Workspace) -> "DatabaseState":
    """Owner and state of the database; it is neither created nor migrated.

    Raises:
        RoundsError: it does not answer, or its driver is missing.
    """
    from feedback.store import database

    return database.state(os.environ.get(ADDRESS) or workspace.feedback_database)


def problem(workspace: Workspace, address: str | None = None) -> str | None:
    """Why it cannot be used now, and what to do; None if nothing is known. It is neither created nor migrated.

    Args:
        workspace: whose database it is.
        address: its URL; None for the file, or for what the environment names.
    """
    from feedback.store import cures, database

    try:
        state = database.state(address or os.environ.get(ADDRESS) or workspace.feedback_database)
    except RoundsError as error:
        return str(error)
    if state.problem is None:
        return None
    todo = cures.cure("sqlite", state.problem)
    return f"the feedback database {place(workspace)} cannot be used: {state.problem}; {todo}"


def waiting(workspace: Workspace) -> set[str]:
    """The ids of the events that arrived singly and that no finished round has claimed; empty without a database."""
    if not exists(workspace):
        return set()
    from feedback.store import arrivals

    with opened(workspace) as database:
        return arrivals.waiting(database, records.numbers(workspace))


def waiting_events(workspace: Workspace, limit: int | None = None) -> list[FeedbackEvent]:
    """The same as events, in the order of their arrival; with `limit`, only the first."""
    if not exists(workspace):
        return []
    from feedback.store import arrivals

    with opened(workspace) as database:
        return arrivals.waiting_events(database, records.numbers(workspace), limit)


def claim(workspace: Workspace, number: int) -> str | None:
    """Claim all waiting events for a round, and those of rounds that never finished.

    Returns:
        the digest of the claim; None if there is nothing to claim.
    """
    if not exists(workspace):
        return None
    from feedback.store import arrivals

    with opened(workspace) as database:
        arrivals.release(database, records.numbers(workspace))
        claim = arrivals.claim(database, number)
    return claim.digest if claim.size else None


def claimable(workspace: Workspace, number: int) -> str | None:
    """What `claim` would return; nothing is claimed."""
    if not exists(workspace):
        return None
    from feedback.store import arrivals

    with opened(workspace) as database:
        claim = arrivals.claimable(database, number, records.numbers(workspace))
    return claim.digest if claim.size else None


def claimed(round: Round) -> list[FeedbackEvent]:
    """The events that a round claimed when it was opened, in the order of their arrival; the same at every call.

    Raises:
        Damaged: the database no longer has them.
    """
    if round.claim is None:
        return []
    from feedback.store import arrivals

    with opened(round.workspace) as database:
        return arrivals.claimed(database, round.number, round.claim)
