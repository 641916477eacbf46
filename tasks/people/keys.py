"""The keys with which people and programs use the server of a workspace; `feedback.store.keys` stores them."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.errors import BadParams
from feedback.forgotten import pseudonym
from tasks.state import feedback_database, tombstones
from tasks.state.workspace import Workspace

if TYPE_CHECKING:
    from feedback.store.keys import KeyRecord, KeyRole


def make(workspace: Workspace, name: str, role: "KeyRole") -> str:
    """Make a key, which is returned here and never again.

    Raises:
        BadParams: the name cannot be used, a key has it already, or it is that of a person who was forgotten.
    """
    from feedback.store import keys

    if pseudonym(name) in tombstones.forgotten(workspace):
        raise BadParams(f"{name} was forgotten, and stays so; choose another name, such as {name}-2")

    with feedback_database.opened(workspace) as database:
        return keys.make(database, name, role, datetime.now(UTC))


def every(workspace: Workspace) -> "list[KeyRecord]":
    """All keys, also those that were revoked, oldest first."""
    if not feedback_database.exists(workspace):
        return []
    from feedback.store import keys

    with feedback_database.opened(workspace) as database:
        return keys.every(database)


def revoke(workspace: Workspace, name: str) -> None:
    """Revoke a key for ever.

    Raises:
        NotFound: there is no key of this name.
    """
    from feedback.store import keys

    with feedback_database.opened(workspace) as database:
        keys.revoke(database, name, datetime.now(UTC))
