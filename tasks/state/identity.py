"""Who a workspace is: its id, its name and the salt of its split, written once, when the workspace is made.

`data/workspace.json` is never changed afterwards. A workspace from before this file existed keeps the id of its
feedback database and the salt of its rounds.
"""

import json
import secrets
from uuid import uuid4

from pydantic import Field

from core.errors import Damaged
from core.files import create_text
from core.stored import Stored
from tasks.state import records
from tasks.state import round as rounds
from tasks.state.line import line_record
from tasks.state.workspace import PROJECT, Workspace

EMBEDDED_SALT = rounds.salt_of_seed(0)
"""The salt of the project's own workspace, so that `make round` gives everybody the same. Anybody can compute it."""


class WorkspaceIdentity(Stored):
    """The content of `data/workspace.json`."""

    id: str = Field(pattern="^[0-9a-f]{32}$")
    """A random id, 32 hex digits."""
    name: str
    """The name in messages and on servers: by default that of the folder."""
    salt: str = Field(min_length=1)
    """Salt of the split of prompt groups: who does not know it cannot compute the split of a prompt."""


def read(workspace: Workspace) -> WorkspaceIdentity | None:
    """The workspace's identity; None if it has none yet.

    Raises:
        Damaged: the file is incomplete or invalid.
        BadWorkspace: a later version wrote it.
    """
    return WorkspaceIdentity.load(workspace.identity) if workspace.identity.exists() else None


def made(workspace: Workspace, name: str | None = None, salt: str | None = None) -> WorkspaceIdentity:
    """The workspace's identity; written if it has none yet, once, also if several processes call this at the same time.

    Args:
        workspace: the workspace; its folder exists.
        name: the name of a new one; None for the folder's.
        salt: the salt of a new one; None for a random one.

    Raises:
        RoundsError: see `read`.
    """
    if not workspace.identity.exists():
        new = WorkspaceIdentity(
            id=_known_id(workspace) or uuid4().hex,
            name=name or workspace.root.name or "rounds",
            salt=salt or known_salt(workspace) or secrets.token_hex(16),
        )
        create_text(workspace.identity, json.dumps(new.to_json(), indent=2) + "\n")
    return WorkspaceIdentity.load(workspace.identity)


def known_salt(workspace: Workspace) -> str | None:
    """The salt that the workspace has already: of an adopted line, of its identity, of its rounds, or the embedded one.

    None without any.

    Raises:
        RoundsError: see `read`.
    """
    if (choice := line_record(workspace)) and choice.salt:
        return choice.salt
    if identity := read(workspace):
        return identity.salt
    return _salt_of_rounds(workspace) or (EMBEDDED_SALT if workspace.root == PROJECT else None)


def _salt_of_rounds(workspace: Workspace) -> str | None:
    """The salt of the last round, whose round.yaml may be damaged."""
    try:
        return rounds.inputs(workspace).salt if workspace.round.exists() else None
    except Damaged:
        last = records.last(workspace)
        return last.inputs.salt if last else None


def _known_id(workspace: Workspace) -> str | None:
    """The id that the feedback database of an older workspace has."""
    old = workspace.old_identity
    return old.read_text(encoding="utf-8").strip() if old.exists() else None
