"""Imported adapters of a workspace: each is stored once, by its content, in `data/imported/<digest>`."""

from pathlib import Path

from core.errors import BadModel
from core.files import digest, replacing
from tasks.state.inputs import Base
from tasks.state.workspace import Workspace


def adapter(workspace: Workspace, base: Base) -> Path | None:
    """The folder of the imported adapter that is the SFT model; None if nothing, or the base itself, was imported.

    Raises:
        BadModel: it is not stored in this workspace, or its files were changed.
    """
    if not needed(base):
        return None
    if not present(workspace, base):
        raise BadModel(
            f"the imported adapter {workspace.imported(str(base.imported))} is missing or was changed; restore it "
            "from a backup, or start the round again, which fetches it from the registry"
        )
    return workspace.imported(str(base.imported))


def needed(base: Base) -> bool:
    """Whether the rounds of a base need an imported adapter."""
    return base.imported is not None and base.imported != base.digest


def present(workspace: Workspace, base: Base) -> bool:
    """Whether the imported adapter is stored, with the content that its digest covers. Reads it."""
    folder = workspace.imported(str(base.imported))
    return folder.is_dir() and digest(folder) == base.imported


def store(workspace: Workspace, draft: Path) -> str:
    """Move an adapter to its place, unless it is there already; returns its digest."""
    name = digest(draft)
    folder = workspace.imported(name)
    if not (folder.is_dir() and digest(folder) == name):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replacing(folder) as target:
            draft.rename(target)
    return name
