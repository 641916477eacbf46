"""Files of prompts that `rounds feedback asked` wrote: where, and whose prompts they have. Their owner keeps them.

No command changes such a file after it was written. So whoever removes an answer, or forgets its asker, is told which
files still have the prompt.
"""

import fcntl
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from core.files import write_json
from core.stored import Stored, Value
from feedback.forgotten import pseudonym
from tasks.state.workspace import Workspace


class AskedFile(Value):
    """One file."""

    path: str
    at: str
    """UTC time at which it was written last, ISO 8601."""
    consents: tuple[str, ...]
    answers: Mapping[str, str]
    """Response id of an answer whose prompt is in the file → SHA-256 of the id of its asker."""


class AskedFiles(Stored):
    """The content of `data/asked.json`."""

    files: tuple[AskedFile, ...] = ()


class AskedPrompts(NamedTuple):
    """Prompts in a file that should no longer be there."""

    file: AskedFile
    number: int

    @property
    def sentence(self) -> str:
        """Where they are, and what to do."""
        options = "".join(f" --consent {quote(consent)}" for consent in self.file.consents)
        return (
            f"{self.file.path} has {self.number} of the prompts; write it again with "
            f"`rounds feedback asked {quote(self.file.path)}{options}`, and remove copies of it"
        )


def read(workspace: Workspace) -> tuple[AskedFile, ...]:
    """All files, in the order in which they were written.

    Raises:
        Damaged: the record is incomplete or invalid.
    """
    return AskedFiles.load(workspace.asked).files if workspace.asked.exists() else ()


def add(workspace: Workspace, path: Path, consents: Iterable[str], askers: Mapping[str, str]) -> None:
    """Record that a file is written; it replaces what was recorded of the file. It is on disk when this returns.

    Args:
        workspace: the workspace.
        path: the file.
        consents: those that were enough.
        askers: response id of an answer whose prompt is in the file → id of its asker.
    """
    at = datetime.now(UTC).isoformat(timespec="seconds")
    answers = {name: pseudonym(asker) for name, asker in askers.items()}
    new = AskedFile(path=str(path), at=at, consents=tuple(consents), answers=answers)
    with workspace.asked_lock.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        others = (file for file in read(workspace) if file.path != new.path)
        write_json(workspace.asked, AskedFiles(files=(*others, new)).to_json())


def of_asker(workspace: Workspace, annotator: str) -> Iterator[AskedPrompts]:
    """The files that have prompts of an asker, by id."""
    name = pseudonym(annotator)
    for file in read(workspace):
        if count := sum(asker == name for asker in file.answers.values()):
            yield AskedPrompts(file, count)


def without(workspace: Workspace, kept: Iterable[str]) -> Iterator[AskedPrompts]:
    """The files that have prompts of other answers than those that are kept, by response id."""
    names = frozenset(kept)
    for file in read(workspace):
        if count := len(file.answers.keys() - names):
            yield AskedPrompts(file, count)
