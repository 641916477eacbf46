"""Files of prompts that `rounds feedback asked` wrote: where, and whose prompts they have. Their owner keeps them.

No command changes such a file after it was written. So whoever removes an answer, or forgets its asker, is told which
files still have the prompt. A round may have collected it meanwhile: the SHA-256 of its texts is kept, so that it is
found once the answer is gone.
"""

import fcntl
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import NamedTuple, Self

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


class WrittenPrompt(Value):
    """A prompt that was written to a file, or given to a round, so that a round may have collected it."""

    asker: str
    """SHA-256 of the id."""
    texts: tuple[str, ...]
    """SHA-256 of the texts of its turns."""

    @classmethod
    def of(cls, asker: str, texts: Iterable[str]) -> Self:
        """Of an asker, by id, and the texts."""
        return cls(asker=pseudonym(asker), texts=tuple(map(text_digest, texts)))


class AskedFiles(Stored):
    """The content of `data/asked.json`."""

    files: tuple[AskedFile, ...] = ()
    prompts: Mapping[str, WrittenPrompt] = {}
    """Response id → the prompt of the answer, also of no file, or of one that was written again without it."""


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
    return _load(workspace).files


def written(workspace: Workspace) -> Mapping[str, WrittenPrompt]:
    """Response id → prompt, of every prompt that a file has or had and that was not dropped.

    Raises:
        Damaged: see `read`.
    """
    return _load(workspace).prompts


def add(workspace: Workspace, path: Path, consents: Iterable[str], prompts: Mapping[str, WrittenPrompt]) -> None:
    """Record that a file is written; it replaces what was recorded of the file. It is on disk when this returns.

    Args:
        workspace: the workspace.
        path: the file.
        consents: those that were enough.
        prompts: response id of an answer whose prompt is in the file → the prompt.
    """
    at = datetime.now(UTC).isoformat(timespec="seconds")
    answers = {name: prompt.asker for name, prompt in prompts.items()}
    new = AskedFile(path=str(path), at=at, consents=tuple(consents), answers=answers)
    with _changing(workspace):
        known = _load(workspace)
        others = (file for file in known.files if file.path != new.path)
        write_json(workspace.asked, AskedFiles(files=(*others, new), prompts={**known.prompts, **prompts}).to_json())


def note(workspace: Workspace, prompts: Mapping[str, WrittenPrompt]) -> None:
    """Record prompts that a round may collect without a file, by response id. They are on disk when this returns."""
    if prompts:
        with _changing(workspace):
            known = _load(workspace)
            write_json(workspace.asked, AskedFiles(files=known.files, prompts={**known.prompts, **prompts}).to_json())


def drop(workspace: Workspace, names: Iterable[str]) -> None:
    """Drop what is known of the prompts of answers, by response id; those that a file has are kept."""
    with _changing(workspace):
        known = _load(workspace)
        gone = set(names).difference(*(file.answers for file in known.files))
        left = {name: prompt for name, prompt in known.prompts.items() if name not in gone}
        if len(left) < len(known.prompts):
            write_json(workspace.asked, AskedFiles(files=known.files, prompts=left).to_json())


def text_digest(text: str) -> str:
    """SHA-256 (hex) of a text of a prompt."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


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


def _load(workspace: Workspace) -> AskedFiles:
    return AskedFiles.load(workspace.asked) if workspace.asked.exists() else AskedFiles()


@contextmanager
def _changing(workspace: Workspace) -> Iterator[None]:
    with workspace.asked_lock.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
