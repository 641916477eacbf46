"""The feedback database of a workspace: a file in it, or the server that an environment variable names."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tasks.state.workspace import Workspace

if TYPE_CHECKING:
    from feedback.store.database import Database

ADDRESS = "ROUNDS_FEEDBACK_DATABASE"
"""The environment variable with the URL of a PostgreSQL database. Each workspace needs one of its own."""


def exists(workspace: Workspace) -> bool:
    """Whether events may have arrived singly: a server is named, or the file was created."""
    return bool(os.environ.get(ADDRESS)) or workspace.feedback_database.exists()


@contextmanager
def opened(workspace: Workspace) -> Iterator["Database"]:
    """The database, created and migrated where necessary, while the block runs.

    Raises:
        RoundsError: see `feedback.store.database.connect`.
    """
    from feedback.store import database  # only here: SQLAlchemy takes a second to load

    connected = database.connect(os.environ.get(ADDRESS) or workspace.feedback_database)
    try:
        yield connected
    finally:
        connected.close()
