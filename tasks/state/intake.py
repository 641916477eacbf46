"""Feedback that the next round will ingest: the sources named in params.yaml, and the inbox.

Imports neither torch nor Prefect, so that handing in feedback or reading a finished round's record stays fast.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, NamedTuple

from pydantic import Field, SerializeAsAny

from core import collecting
from core.errors import BadFeedback
from core.files import digest, replacing
from core.plugins import used
from core.settings import BaseSettings, override, read, section
from feedback import forgotten, packaging, store
from feedback.clashes import rejecting
from feedback.faults import Faults
from feedback.fieldmap import FieldMap
from feedback.lines import Line, judged, parse
from feedback.packaging.raw import as_json
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake, Source
from feedback.sources.jsonl import JSONL, source_name
from feedback.sources.simulated import Simulated
from tasks.state import feedback_database, tombstones
from tasks.state.collisions import HandedInFile, collisions
from tasks.state.inbox_index import WIDTH, InboxIndex, count_new, packed
from tasks.state.lock import holding
from tasks.state.round import code_digest
from tasks.state.workspace import Workspace

_PATIENCE = 600.0
"""Seconds to wait for another import."""

SourceField = Annotated[SerializeAsAny[Source], used("feedback.sources")]


class IngestSettings(BaseSettings):
    """Feedback sources, and how much waiting feedback starts a round."""

    sources: tuple[SourceField, ...] = (Simulated(),)
    """Read in every round; events that were ingested before are skipped. The workspace's inbox is always read too."""
    threshold: int = Field(200, ge=1)
    """Number of waiting inbox records at which a round starts automatically."""
    rejected_limit: float = Field(0.3, gt=0, le=1)
    """Share of the records of one source (of 50 or more) that cannot be used at which the round stops."""


def _settings(workspace: Workspace, overrides: Sequence[str]) -> IngestSettings:
    return section(IngestSettings, override(read(workspace.params), overrides), "ingest", workspace.params)


def waiting(workspace: Workspace) -> list[Path]:
    """The files in the inbox in the order in which they were handed in: a person's last vote counts."""
    files = workspace.inbox.iterdir() if workspace.inbox.is_dir() else ()
    records = (file for file in files if packaging.is_named_as_records(file.name) and file.is_file())
    return sorted(records, key=lambda file: (file.stat().st_mtime_ns, file.name))


def unread(workspace: Workspace) -> list[Path]:
    """What lies in the inbox under the name of a file of records and is none: folders, pipes, links to nowhere."""
    entries = workspace.inbox.iterdir() if workspace.inbox.is_dir() else ()
    return sorted(entry for entry in entries if packaging.is_named_as_records(entry.name) and not entry.is_file())


def inbox_events(workspace: Workspace) -> list[FeedbackEvent]:
    """The valid events in the inbox, before prompt groups are assigned."""
    intake = Intake(round=0, seed=0)
    records = (record for file in waiting(workspace) for record in JSONL(path=file).read(intake))
    return [record for record in records if isinstance(record, FeedbackEvent)]


def waiting_events(workspace: Workspace) -> list[FeedbackEvent]:
    """The valid events that wait in the inbox, then those in the feedback database, each id once."""
    events = [*inbox_events(workspace), *feedback_database.waiting_events(workspace)]
    first: dict[str, FeedbackEvent] = {}
    for event in events:
        first.setdefault(event.feedback_id, event)
    return list(forgotten.kept(first.values(), tombstones.forgotten(workspace)))


def new_records(workspace: Workspace) -> int:
    """Number of records in the inbox and the feedback database that no round has ingested yet."""
    return count_new(_waiting_ids(workspace), _stored_ids(workspace))


def _waiting_ids(workspace: Workspace) -> bytes:
    """The packed ids of the records in the inbox and the feedback database."""
    index = InboxIndex(workspace.inbox_index, code_digest())
    ids = index.ids(waiting(workspace), _ids) + packed(feedback_database.waiting(workspace))
    index.save()
    return ids


def _stored_ids(workspace: Workspace) -> bytes:
    columns = store.batches(workspace.feedback, ["feedback_id"])
    return b"".join(packed(batch["feedback_id"].to_pylist()) for batch in columns)


@collecting.paused()
def _ids(file: Path) -> bytes:
    """The packed ids of the usable records of a file."""
    return _packed_ids((None, record) for record in JSONL(path=file).read(Intake(round=0, seed=0)))


def _packed_ids(records: Iterable[tuple[object, FeedbackEvent | RejectedRecord]]) -> bytes:
    return packed(record.feedback_id for _, record in records if isinstance(record, FeedbackEvent))


def threshold(workspace: Workspace) -> int:
    """`ingest.threshold`: how much waiting feedback starts a round.

    Raises:
        BadParams: params.yaml cannot be read.
    """
    return _settings(workspace, ()).threshold


class InboxCount(NamedTuple):
    """Number of records waiting in the inbox, and the number that starts a round."""

    records: int
    threshold: int

    @property
    def enough(self) -> bool:
        """True if there are enough records to start a round."""
        return self.records >= self.threshold

    def __str__(self) -> str:
        return f"{self.records} of {self.threshold} records wait"


def count(workspace: Workspace, overrides: Sequence[str] = ()) -> InboxCount:
    """The number of records not ingested yet, with `ingest.threshold`.

    Raises:
        BadParams: an unknown knob, or an invalid value.
    """
    return InboxCount(new_records(workspace), _settings(workspace, overrides).threshold)


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


def hand_in(
    workspace: Workspace, paths: Sequence[Path], skip_bad: bool = False, fields: FieldMap | None = None
) -> HandedIn:
    """Check feedback files, or all files of folders, and copy them to the inbox; they are on disk when this returns.

    The records are read by the code that the next round reads them with. With `skip_bad`, the records that cannot be
    used are written to a file beside each file, with their reasons, and only the others are taken in. Records of
    forgotten annotators cannot be used. Records that are read by a map are stored in the canonical form.

    Raises:
        BadFeedback: a file does not exist, is of a kind that is not read, or has no usable record; or a record cannot
            be used and `skip_bad` is false. Names the faults by kind, with counts. Nothing is taken in then.
    """
    gone = tombstones.forgotten(workspace)
    checked = [_check(file, fields, gone, {}) for path in paths for file in packaging.files_at(path)]
    # from here on, what waits must not change: the same file may be handed in by several people at once
    with holding(workspace.watch_lock("import"), "an import of feedback", wait=_PATIENCE):
        return _handed_in(workspace, checked, skip_bad, fields, gone)


def _handed_in(
    workspace: Workspace, checked: list["_Checked"], skip_bad: bool, fields: FieldMap | None, gone: tuple[str, ...]
) -> HandedIn:
    known = _waiting_ids(workspace) + _stored_ids(workspace)
    handed = [HandedInFile(each.file, each.ids, each.as_in_inbox) for each in _not_waiting(workspace, checked)]
    taken = collisions(workspace, handed, waiting(workspace), known)
    checked = [_check(each.file, fields, gone, taken[each.file]) if each.file in taken else each for each in checked]
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
    return HandedIn(len(checked), sum(file.usable for file in checked), new, rejected, rejects)


def _not_waiting(workspace: Workspace, checked: Iterable["_Checked"]) -> list["_Checked"]:
    """The files whose content does not wait in the inbox already."""
    names = {packaging.stem(file.name) for file in waiting(workspace)}
    return [file for file in checked if packaging.stem(file.target) not in names]


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
    fields: FieldMap | None
    """The map that it is read by."""
    gone: tuple[str, ...]
    """SHA-256 of the ids of forgotten annotators."""
    taken: Mapping[str, str]
    """Position of a record whose id another one has → the reason to reject it."""

    @property
    def as_it_is(self) -> bool:
        """Whether all of the file is taken in, unchanged."""
        return not self.rejected and self.fields is None

    def records(self) -> Iterator[tuple[Line, FeedbackEvent | RejectedRecord]]:
        """Its records, read again."""
        return rejecting(_judged(self.file, source_name(self.file), self.fields, self.gone), self.taken)

    def as_in_inbox(self) -> Iterator[tuple[Line, FeedbackEvent | RejectedRecord]]:
        """The same, with the ids that they will have in the inbox."""
        return rejecting(_judged(self.file, packaging.stem(self.target), self.fields, self.gone), self.taken)


def _judged(
    file: Path, source: str, fields: FieldMap | None, gone: tuple[str, ...]
) -> Iterator[tuple[Line, FeedbackEvent | RejectedRecord]]:
    """The records of a file; those of forgotten annotators are rejected."""
    for line, record in judged(file, source, {}, fields.record if fields else dict):
        if gone and isinstance(record, FeedbackEvent) and not forgotten.is_kept(record, gone):
            reason = "annotator_id is that of a forgotten annotator, expected another"
            yield line, RejectedRecord(source=record.source, where=line.where, reason=reason, record=line.text)
        else:
            yield line, record


@collecting.paused()
def _check(file: Path, fields: FieldMap | None, gone: tuple[str, ...], taken: Mapping[str, str]) -> _Checked:
    before, (kind, compression) = digest(file), packaging.detect(file)
    name = (packaging.content_digest(file) if compression.ending else before)[:16]
    faults, ids, lines = Faults(), bytearray(), hashlib.sha256()
    for line, record in rejecting(_judged(file, name, fields, gone), taken):
        if isinstance(record, RejectedRecord):
            faults.add(record)
        else:
            ids += packed([record.feedback_id])
            lines.update(_line(line, fields))
    usable = len(ids) // WIDTH
    _check_usable(file, usable, faults)
    target = f"{name}.{kind}{compression.ending}"
    if faults.total or fields:
        target = f"{lines.hexdigest()[:16]}.jsonl"
    digests = (target, lines.hexdigest(), bytes(ids))
    checked = _Checked(file, before, usable, faults.total, faults.lines(), *digests, fields, gone, taken)
    return checked if checked.as_it_is else checked._replace(ids=_packed_ids(checked.as_in_inbox()))


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


def _take_in(workspace: Workspace, checked: Iterable[_Checked]) -> None:
    """Copy files to the inbox, each content once, in the order in which `waiting` returns them."""
    index = InboxIndex(workspace.inbox_index, code_digest())
    names = {packaging.stem(file.name) for file in waiting(workspace)}
    with _drafts(workspace.inbox) as drafts:
        for file in checked:
            if packaging.stem(file.target) not in names:
                names.add(packaging.stem(file.target))
                draft = drafts / file.target
                _copy(file, draft)
                target = draft.rename(workspace.inbox / file.target)
                if file.as_it_is:
                    index.add(target, file.ids)
    index.save()


@contextmanager
def _drafts(inbox: Path) -> Iterator[Path]:
    """A folder on the disk of the inbox for files that are not complete; what a killed import left is removed."""
    inbox.mkdir(parents=True, exist_ok=True)
    for left in inbox.glob(".import.*.draft"):
        shutil.rmtree(left, ignore_errors=True)
    with TemporaryDirectory(prefix=".import.", suffix=".draft", dir=inbox) as folder:
        yield Path(folder)


def _copy(checked: _Checked, draft: Path) -> None:
    """Copy what is taken in of a file; it is on disk when this returns."""
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


def _blocks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            yield block


def _usable_lines(checked: _Checked) -> Iterator[bytes]:
    """The usable records as JSON lines: the same texts, and so the same ids."""
    for line, record in checked.records():
        if isinstance(record, FeedbackEvent):
            yield _line(line, checked.fields)


def _line(line: Line, fields: FieldMap | None) -> bytes:
    """A record as it is stored: as it was, or in the canonical form if it is read by a map."""
    return (as_json(fields.record(parse(line))) if fields else line.raw) + b"\n"
