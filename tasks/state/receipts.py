"""Receipts of the files that `rounds feedback import` put into the inbox, kept beside it: how far each is trusted.

A file without a receipt, or with other content than its receipt names, was put there by hand: what its records state of
themselves is not believed (`feedback.trust`). The receipt of a file is written before the file appears and is never
changed, so that a round that is repeated reads the same events.
"""

import json
import logging
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from core.errors import BadFeedback, Damaged
from core.files import digest, write_text
from core.stored import Value
from feedback import forgotten, lines, packaging
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake
from feedback.sources.jsonl import JSONL, source_name
from feedback.trust import Trust
from tasks.state.workspace import Workspace

_logger = logging.getLogger(__name__)
_MADE_FROM_CONTENT = re.compile("[0-9a-f]{16}")
"""A name that an import gives: the beginning of a SHA-256."""


class Stated(NamedTuple):
    """What the operator states of a file that is handed in."""

    trust: bool = False
    """Whether its records may state ids and groups, and supersede events of others."""
    licence: str | None = None
    """Licence of the records that state none."""
    consent: str | None = None
    """Consent of the records that state none."""

    @property
    def level(self) -> Trust:
        """Which fields the records may state."""
        return Trust.FULL if self.trust else Trust.OPERATOR

    @property
    def defaults(self) -> dict[str, str]:
        """Values of the fields that a record does not state."""
        given = {"licence": self.licence, "consent": self.consent}
        return {name: value for name, value in given.items() if value is not None}

    def __str__(self) -> str:
        """As options of the command."""
        options = ["--trust"] if self.trust else []
        options += [f"--{name} {quote(value)}" for name, value in self.defaults.items()]
        return " ".join(options) or "no options"


NOTHING = Stated()
"""What a command without options states."""


class Receipt(Value):
    """One imported file."""

    name: str
    """Its name in the inbox."""
    sha256: str
    """SHA-256 (hex) of its bytes."""
    source: str
    """The source of its records that state none."""
    trust: bool = False
    """As in `Stated`, like the following."""
    licence: str | None = None
    consent: str | None = None

    @property
    def stated(self) -> Stated:
        """What the operator stated."""
        return Stated(self.trust, self.licence, self.consent)


class InboxFile(JSONL):
    """A file in the inbox."""

    source: str
    """The source of its records that state none."""
    imported: bool
    """Whether an import put it there; otherwise it is from outside."""
    gone: tuple[str, ...] = ()
    """SHA-256 of the ids of forgotten annotators: what names them in a file from outside is left out."""

    @classmethod
    def name(cls) -> str:
        """That of the source that reads files."""
        return JSONL.name()

    @property
    def level(self) -> Trust:
        """Which fields its records may state."""
        return super().level if self.imported else Trust.OUTSIDE

    def read(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        """All records, in the order of the file. A file from outside that cannot be read is one rejected record."""
        try:
            yield from self._records(intake)
        except (BadFeedback, OSError) as error:
            if self.imported:
                raise
            reason = f"the file cannot be read: {error}"
            yield RejectedRecord(source=self.source, where=self.path.name, reason=reason, record="")

    def _records(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        hide = self.gone if not self.imported else ()
        records = lines.judged(self.path, self.source, self.defaults(intake), limits=intake.limits, trust=self.level)
        for line, record in records:
            if not hide or not forgotten.names_any(line.text, hide):
                yield record


def files(workspace: Workspace, waiting: Iterable[Path], gone: Sequence[str] = ()) -> list[InboxFile]:
    """Files of the inbox as sources: those that were imported in the given order, then the others.

    An event of an imported file is thereby read before one from outside with the same id.
    """
    receipts = read(workspace)
    return sorted((file(path, receipts, gone) for path in waiting), key=lambda source: not source.imported)


def file(path: Path, receipts: Mapping[str, Receipt], gone: Sequence[str] = ()) -> InboxFile:
    """A file of the inbox as a source. It is read once to compare it with its receipt."""
    receipt = receipts.get(path.name)
    if receipt is None or not _is_of(receipt, path):
        return InboxFile(path=path, source=f"inbox:{source_name(path)}", imported=False, gone=tuple(gone))
    stated = receipt.stated
    return InboxFile(path=path, source=receipt.source, imported=True, trust=stated.trust, **stated.defaults)


def read(workspace: Workspace) -> dict[str, Receipt]:
    """Name of a file → its receipt.

    In a workspace from before there were receipts, the waiting files under names that an import makes from their
    content count as imported, without `--trust`. Such a workspace has no `data/workspace.json` either; where there is
    one, the receipts are lost, and no file counts as imported: anybody can give a file the name of an import.

    Raises:
        Damaged: the receipts cannot be read.
    """
    if not workspace.inbox_receipts.exists():
        older = () if workspace.identity.exists() else _of_older_imports(workspace)
        return {receipt.name: receipt for receipt in older}
    texts = workspace.inbox_receipts.read_text(encoding="utf-8").splitlines()
    return {
        receipt.name: receipt for receipt in (_parsed(workspace, number, text) for number, text in enumerate(texts))
    }


def valid(workspace: Workspace, sources: Collection[str] | None = None) -> dict[str, Receipt]:
    """The receipts of the files that wait with the content that was imported; with `sources`, only of these."""
    wanted = (receipt for receipt in read(workspace).values() if sources is None or receipt.source in sources)
    return {receipt.name: receipt for receipt in wanted if _is_of(receipt, workspace.inbox / receipt.name)}


def begin(workspace: Workspace) -> None:
    """Write the receipts if there are none yet: from then on, no file counts as imported because of its name.

    Files that wait without receipts, because these were lost, are named once in a warning.
    """
    if not workspace.inbox_receipts.exists():
        if workspace.identity.exists():
            _warn_of_lost(workspace)
        write(workspace, read(workspace).values())


def add(workspace: Workspace, receipt: Receipt) -> None:
    """Write a receipt; those of files that no longer wait are dropped."""
    kept = [each for each in read(workspace).values() if (workspace.inbox / each.name).exists()]
    write(workspace, [*(each for each in kept if each.name != receipt.name), receipt])


def write(workspace: Workspace, receipts: Iterable[Receipt]) -> None:
    """Replace all receipts."""
    text = "".join(json.dumps(receipt.to_json(), ensure_ascii=False) + "\n" for receipt in receipts)
    write_text(workspace.inbox_receipts, text)


def renew(workspace: Workspace, before: Mapping[str, Receipt]) -> None:
    """Write the receipts of files again from which records were erased."""
    changed = {name: receipt for name, receipt in before.items() if not _is_of(receipt, workspace.inbox / name)}
    if changed:
        now = [
            receipt.model_copy(update={"sha256": digest(workspace.inbox / name)}) if name in changed else receipt
            for name, receipt in read(workspace).items()
            if (workspace.inbox / name).exists()
        ]
        write(workspace, now)


def _is_of(receipt: Receipt, file: Path) -> bool:
    return file.is_file() and digest(file) == receipt.sha256


def _warn_of_lost(workspace: Workspace) -> None:
    names = sorted(file.name for file in workspace.inbox.glob("*")) if workspace.inbox.is_dir() else []
    waiting = (
        f"; {len(names)} files that wait ({', '.join(names[:3])[:200]!r}) count as put there by hand" if names else ""
    )
    _logger.warning(
        f"{workspace.inbox_receipts} is lost{waiting}: annotators, licences and versions that their records state are "
        "not honoured; restore the file from a backup, or remove the files that were imported, and import them again"
    )


def _of_older_imports(workspace: Workspace) -> Iterator[Receipt]:
    for file in sorted(workspace.inbox.glob("*")) if workspace.inbox.is_dir() else ():
        stem = packaging.stem(file.name)
        named = packaging.is_named_as_records(file.name) and _MADE_FROM_CONTENT.fullmatch(stem)
        if named and file.is_file() and _content_starts_with(file, stem):
            yield Receipt(name=file.name, sha256=digest(file), source=stem)


def _content_starts_with(file: Path, stem: str) -> bool:
    try:
        return packaging.content_digest(file).startswith(stem)
    except BadFeedback:  # it is damaged, which no import was
        return False


def _parsed(workspace: Workspace, index: int, text: str) -> Receipt:
    origin = f"{workspace.inbox_receipts}, line {index + 1},"
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Damaged(f"{origin} is damaged, not valid JSON: {error}; restore the file from a backup") from error
    return Receipt.from_json(value, origin)
