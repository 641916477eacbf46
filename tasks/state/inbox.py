"""The files in the inbox: feedback that was handed in and waits for the next round."""

from pathlib import Path

from feedback import packaging
from tasks.state import receipts, tombstones
from tasks.state.receipts import InboxFile
from tasks.state.workspace import Workspace


def files(workspace: Workspace) -> list[Path]:
    """The files in the inbox in the order in which they were handed in: a person's last vote counts."""
    entries = workspace.inbox.iterdir() if workspace.inbox.is_dir() else ()
    records = (file for file in entries if packaging.is_named_as_records(file.name) and is_readable(file))
    return sorted(records, key=lambda file: (file.stat().st_mtime_ns, file.name))


def unread(workspace: Workspace) -> list[Path]:
    """What lies in the inbox under the name of a file of records and is not read: folders, pipes, links to nowhere."""
    entries = workspace.inbox.iterdir() if workspace.inbox.is_dir() else ()
    return sorted(entry for entry in entries if packaging.is_named_as_records(entry.name) and not is_readable(entry))


def is_readable(entry: Path) -> bool:
    """Whether an entry of the inbox is read: a file of its own, whose name is text.

    A link could lead to any file of this machine, whose text would then be feedback.
    """
    try:
        str(entry).encode()
    except UnicodeEncodeError:
        return False
    return entry.is_file() and not entry.is_symlink()


def sources(workspace: Workspace) -> list[InboxFile]:
    """The files in the inbox in the order in which a round reads them: those that were imported first."""
    return receipts.files(workspace, files(workspace), tombstones.forgotten(workspace))
