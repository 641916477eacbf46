"""The guidelines for annotators: a Markdown file in the workspace, whose version is in each event."""

from typing import NamedTuple

from tasks.state.workspace import Workspace


class Guidelines(NamedTuple):
    """The guidelines as they are now."""

    version: str
    """The first 12 hex digits of the SHA-256 of the text."""
    text: str
    """Markdown."""


def read(workspace: Workspace) -> Guidelines | None:
    """The content of `guidelines.md`; None if there is no such file.

    Raises:
        BadWorkspace: it is no text.
    """
    raise NotImplementedError
