"""The guidelines for annotators: a Markdown file in the workspace, whose version is in each event."""

import hashlib
from typing import NamedTuple

from core.errors import BadWorkspace
from tasks.state.workspace import Workspace


class Guidelines(NamedTuple):
    """The guidelines as they are now."""

    version: str
    """The first 12 hex digits of the SHA-256 of the file."""
    text: str
    """Markdown."""


def read(workspace: Workspace) -> Guidelines | None:
    """The content of `guidelines.md`; None if there is no such file.

    Raises:
        BadWorkspace: it is no text.
    """
    if not workspace.guidelines.exists():
        return None
    content = workspace.guidelines.read_bytes()
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise BadWorkspace(f"{workspace.guidelines} is not UTF-8 ({error}); save it as UTF-8") from error
    return Guidelines(hashlib.sha256(content).hexdigest()[:12], text)
