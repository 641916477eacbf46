"""Feedback is handed in: its files are checked, and copied to the inbox."""

import hashlib
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain, count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import NamedTuple

from core import collecting
from core.errors import BadFeedback
from core.files import digest, named, replacing
from feedback import forgotten, packaging, superseding, trust
from feedback.clashes import rejecting
from feedback.faults import Faults
from feedback.fieldmap import FieldMap
from feedback.limits import SizeLimitSettings
from feedback.lines import Line, judged, parse
from feedback.packaging.raw import as_json
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources.jsonl import source_name
from feedback.trust import Trust
from tasks.state import inbox, intake, receipts, tombstones
from tasks.state.collisions import HandedInFile, collisions
from tasks.state.inbox_index import WIDTH, count_new, packed
from tasks.state.lock import holding
from tasks.state.receipts import NOTHING, Receipt, Stated
from tasks.state.workspace import Workspace

_PATIENCE = 600.0
"""Seconds to wait for another import."""


class HandedIn(NamedTuple):
    """What was taken in."""

    files: int
    records: int
    """Records that can be used."""
    new: int
    """How many of them neither wait nor are stored."""
    rejected: int
    """Records that cannot be used; they were skipped."""
    rejects: tuple[Path, ...]
    """Files with these records and the reasons."""
    ignored: Mapping[str, int] = MappingProxyType({})
    """Field → how many records state it although they may not without `--trust`: it is ignored."""


def hand_in(
    workspace: Workspace,
    paths: Sequence[Path],
    skip_bad: bool = False,
    fields: FieldMap | None = None,
    stated: Stated = NOTHING,
) -> HandedIn:
    """Check feedback files, or all files of folders, and copy them to the inbox; they are on disk when this returns.

    The records are read by the code that the next round reads them with. With `skip_bad`, the records that cannot be
    used are written to a file beside each file, with their reasons, and only the others are taken in. Records of
    forgotten annotators cannot be used. Records that are read by a map are stored in the canonical form. `stated` is
    what the operator states of all records.

    Raises:
        BadFeedback: a file does not exist, is of a kind that is not read, or has no usable record; or a record cannot
            be used and `skip_bad` is false. Names the faults by kind, with counts. Nothing is taken in then.
    """
    reading = _Reading(fields, tombstones.forgotten(workspace), stated, intake.limits(workspace))
    checked = [_check(file, reading, {}) for path in paths for file in packaging.files_at(path)]
    # from here on, what waits must not change: the same file may be handed in by several people at once
    with holding(workspace.watch_lock("import"), "an import of feedback", wait=_PATIENCE):
        return _handed_in(workspace, checked, skip_bad, reading)


def _handed_in(workspace: Workspace, checked: list["_Checked"], skip_bad: bool, reading: "_Reading") -> HandedIn:
    known = intake.waiting_ids(workspace) + intake.stored_ids(workspace)
    handed = [HandedInFile(each.file, each.ids, each.as_in_inbox, each.claims) for each in _new(workspace, checked)]
    taken = collisions(workspace, handed, partial(inbox.sources, workspace), known)
    checked = [_check(each.file, reading, taken[each.file]) if each.file in taken else each for each in checked]
    faults = [fault for file in checked for fault in file.faults]
    rejected = sum(file.rejected for file in checked)
    if faults and not skip_bad:
        shown = "\n".join(f"  {fault}" for fault in faults)
        raise BadFeedback(
            f"{rejected} records cannot be used, so nothing was taken in; correct them, or skip them with "
            f"--skip-bad:\n{shown}"
        )
    rejects = tuple(_write_rejects(file) for file in checked if file.rejected)
    _take_in(workspace, checked)
    new = count_new(b"".join(file.ids for file in checked), known)
    ignored = sum((file.ignored for file in checked), Counter[str]())
    return HandedIn(len(checked), sum(file.usable for file in checked), new, rejected, rejects, dict(ignored))


def _new(workspace: Workspace, checked: Sequence["_Checked"]) -> list["_Checked"]:
    """The files whose content was not imported and waits already.

    Raises:
        BadFeedback: one waits, but the operator stated something else of it.
    """
    sources = {packaging.stem(file.target) for file in checked}
    imported = {receipt.source: receipt for receipt in receipts.valid(workspace, sources).values()}
    new = []
    for file in checked:
        receipt = imported.get(packaging.stem(file.target))
        if receipt is None:
            new.append(file)
        elif receipt.stated != file.reading.stated:
            raise BadFeedback(
                f"{file.file} waits already as {workspace.name(workspace.inbox / receipt.name)}, imported with "
                f"{receipt.stated}; remove that file to import it with {file.reading.stated}"
            )
    return new


class _Reading(NamedTuple):
    """How files that are handed in are read."""

    fields: FieldMap | None
    """The map that they are read by."""
    gone: tuple[str, ...]
    """SHA-256 of the ids of forgotten annotators."""
    stated: Stated
    """What the operator states of all records."""
    limits: SizeLimitSettings

    def judged(self, file: Path, source: str) -> Iterator[tuple[Line, FeedbackEvent | RejectedRecord]]:
        """The records of a file; those of forgotten annotators are rejected."""
        convert = self.fields.record if self.fields else dict
        for line, record in judged(file, source, self.stated.defaults, convert, self.limits, self.stated.level):
            if self.gone and isinstance(record, FeedbackEvent) and not forgotten.is_kept(record, self.gone):
                reason = "annotator_id is that of a forgotten annotator, expected another"
                yield line, RejectedRecord(source=record.source, where=line.where, reason=reason, record=line.text)
            else:
                yield line, record


class _Checked(NamedTuple):
    """A file that was read to its end."""

    file: Path
    digest: str
    """SHA-256 of its bytes."""
    usable: int
    rejected: int
    faults: list[str]
    """One line per kind of fault."""
    target: str
    """Its name in the inbox, made from its content.

    The content is the decompressed one, and without the records that cannot be used: the name is the source of records
    that state none, and so part of their ids.
    """
    usable_lines: str
    """SHA-256 of its usable records as JSON lines."""
    ids: bytes
    """The packed ids of its usable records, as they will be read from the inbox."""
    reading: _Reading
    taken: Mapping[str, str]
    """Position of a record that may not have its id, or supersede what it names → the reason to reject it."""
    claims: Mapping[str, FeedbackEvent]
    """Position → a record that supersedes another one, which is to be checked."""
    ignored: Counter[str]
    """Field → how many records state it although they may not."""

    @property
    def as_it_is(self) -> bool:
        """Whether all of the file is taken in, unchanged."""
        return not self.rejected and self.reading.fields is None

    def records(self) -> Iterator[tuple[Line, FeedbackEvent | RejectedRecord]]:
        """Its records, read again."""
        return rejecting(self.reading.judged(self.file, source_name(self.file)), self.taken)

    def as_in_inbox(self) -> Iterator[tuple[Line, FeedbackEvent | RejectedRecord]]:
        """The same, with the ids that they will have in the inbox."""
        return rejecting(self.reading.judged(self.file, packaging.stem(self.target)), self.taken)


@collecting.paused()
def _check(file: Path, reading: _Reading, taken: Mapping[str, str]) -> _Checked:
    (kind, compression), before = packaging.detect(file, reading.limits), digest(file)
    name = (packaging.content_digest(file, reading.limits) if compression.ending else before)[:16]
    faults, ids, lines = Faults(), bytearray(), hashlib.sha256()
    claims: dict[str, FeedbackEvent] = {}
    ignored: Counter[str] = Counter()
    for line, record in rejecting(reading.judged(file, name), taken):
        if isinstance(record, RejectedRecord):
            faults.add(record)
            continue
        ids += packed([record.feedback_id])
        lines.update(_line(line, reading.fields))
        if superseding.claims(record, reading.stated.level):
            claims[line.where] = record
        if reading.stated.level is not Trust.FULL:
            ignored.update(trust.ignored(record))
    usable = len(ids) // WIDTH
    _check_usable(file, usable, faults)
    target = f"{name}.{kind}{compression.ending}"
    if faults.total or reading.fields:
        target = f"{lines.hexdigest()[:16]}.jsonl"
    digests = (target, lines.hexdigest(), bytes(ids))
    counts = (usable, faults.total, faults.lines())
    checked = _Checked(file, before, *counts, *digests, reading, taken, claims, ignored)
    return checked if checked.as_it_is else checked._replace(ids=intake.packed_ids(checked.as_in_inbox()))


def _check_usable(file: Path, usable: int, faults: Faults) -> None:
    if not usable and not faults.total:
        raise BadFeedback(f"{file}: the file has no records; name a file with records")
    if not usable:
        shown = "\n".join(f"  {line}" for line in faults.lines())
        raise BadFeedback(
            f"{file}: none of {faults.total} records can be used, so nothing was taken in; correct them:\n{shown}"
        )


def _write_rejects(checked: _Checked) -> Path:
    """Write the records that cannot be used beside their file."""
    target = checked.file.with_name(f"{checked.file.name}.rejected.jsonl")
    with replacing(target) as draft, draft.open("w", encoding="utf-8") as stream:
        for _, record in checked.records():
            if isinstance(record, RejectedRecord):
                stream.write(record.model_dump_json() + "\n")
    return target


def _take_in(workspace: Workspace, checked: Sequence[_Checked]) -> None:
    """Copy files to the inbox, each content once, in the order in which `inbox.files` returns them."""
    index = intake.index(workspace)
    sources = {packaging.stem(file.target) for file in checked}
    imported = {receipt.source for receipt in receipts.valid(workspace, sources).values()}
    with _drafts(workspace.inbox) as drafts:
        for file in checked:
            source = packaging.stem(file.target)
            if source not in imported:
                imported.add(source)
                draft = drafts / file.target
                with named(workspace.inbox / file.target):
                    sha256 = _copy(file, draft)
                target = _free(workspace.inbox / file.target, source)
                stated = file.reading.stated._asdict()
                receipts.add(workspace, Receipt(name=target.name, sha256=sha256, source=source, **stated))
                draft.rename(target)
                if file.as_it_is:
                    index.add(target, file.ids)
    index.save()


def _free(target: Path, stem: str) -> Path:
    """The path, or one with a number, if somebody put another file there by hand."""
    ending = target.name.removeprefix(stem)
    numbered = (target.with_name(f"{stem}-{number}{ending}") for number in count(2))
    return next(path for path in chain([target], numbered) if not os.path.lexists(path))


@contextmanager
def _drafts(inbox: Path) -> Iterator[Path]:
    """A folder on the disk of the inbox for files that are not complete; what a killed import left is removed."""
    inbox.mkdir(parents=True, exist_ok=True)
    for left in inbox.glob(".import.*.draft"):
        shutil.rmtree(left, ignore_errors=True)
    with TemporaryDirectory(prefix=".import.", suffix=".draft", dir=inbox) as folder:
        yield Path(folder)


def _copy(checked: _Checked, draft: Path) -> str:
    """Copy what is taken in of a file; it is on disk when this returns its SHA-256."""
    copied = hashlib.sha256()
    with draft.open("wb") as stream:
        for block in _blocks(checked.file) if checked.as_it_is else _usable_lines(checked):
            copied.update(block)
            stream.write(block)
        stream.flush()
        os.fsync(stream.fileno())
    if copied.hexdigest() != (checked.digest if checked.as_it_is else checked.usable_lines):
        raise BadFeedback(f"{checked.file} has changed since it was checked; run the command again")
    now = time.time_ns()  # the clock of the file system is coarser: files would be equally old
    os.utime(draft, ns=(now, now))
    return copied.hexdigest()


def _blocks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            yield block


def _usable_lines(checked: _Checked) -> Iterator[bytes]:
    """The usable records as JSON lines: the same texts, and so the same ids."""
    for line, record in checked.records():
        if isinstance(record, FeedbackEvent):
            yield _line(line, checked.reading.fields)


def _line(line: Line, fields: FieldMap | None) -> bytes:
    """A record as it is stored: as it was, or in the canonical form if it is read by a map."""
    return (as_json(fields.record(parse(line))) if fields else line.raw) + b"\n"
