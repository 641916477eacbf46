"""Files of records: each becomes an event or a rejected record, in the order of the file.

Every record is one JSON text, whatever kind of file it came from (`feedback.packaging`), so that a record has the same
id in a plain and in a compressed file.
"""

import hashlib
import json
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import BadFeedback
from feedback import canonical, json_text, packaging
from feedback.limits import DEEPEST, SHOWN, SizeLimitSettings, is_too_deep, record_problem
from feedback.packaging.raw import as_json
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.trust import Trust

Record = Mapping[str, Any]
_DEFAULT = SizeLimitSettings()


class Line(NamedTuple):
    """One record of a file as JSON text, and its position."""

    where: str
    """File name and line number, from 1: `votes.jsonl:7`. In an array, Parquet or Arrow, the number of the record."""
    raw: bytes
    copy: int
    """1 for the first record of this content in the file, 2 for the second, …"""
    problem: str | None = None
    """Why the record cannot be used, if that was found while it was taken out of the file."""
    limits: SizeLimitSettings = _DEFAULT
    """How large it may be."""

    @property
    def text(self) -> str:
        """The line as text; bytes that are not UTF-8 are shown as escapes."""
        return self.raw.decode("utf-8", errors="backslashreplace")

    @property
    def sha256(self) -> str:
        """Hash of the content (hex)."""
        return hashlib.sha256(self.raw).hexdigest()

    @property
    def identity(self) -> str:
        """An id that stays when lines are added, moved or copied to another file: content, and which copy of it."""
        return _identity(self.sha256, self.copy)


def events(
    path: Path,
    source: str,
    defaults: Record,
    convert: Callable[[Record], Record] = dict,
    limits: SizeLimitSettings = _DEFAULT,
    trust: Trust = Trust.OPERATOR,
) -> Iterator[FeedbackEvent | RejectedRecord]:
    """The records of a file as events. `convert` turns each into a form that `feedback.canonical` reads.

    `trust` says which fields the records may state.

    Raises:
        BadFeedback: see `read`.
    """
    for _, record in judged(path, source, defaults, convert, limits, trust):
        yield record


def judged(
    path: Path,
    source: str,
    defaults: Record,
    convert: Callable[[Record], Record] = dict,
    limits: SizeLimitSettings = _DEFAULT,
    trust: Trust = Trust.OPERATOR,
) -> Iterator[tuple[Line, FeedbackEvent | RejectedRecord]]:
    """The same as `events`, each with the line that it was read from.

    Raises:
        BadFeedback: see `read`.
    """
    for line in read(path, limits):
        sha256 = line.sha256
        identity = _identity(sha256, line.copy)
        filled = {**defaults, "source": source, "source_id": identity, "source_sha256": sha256}
        record: FeedbackEvent | RejectedRecord
        try:
            record = canonical.event(convert(parse(line)), filled, trust)
        except Exception as error:  # also one that no check foresaw: one odd record must not stop all others
            record = rejected(error, source, line.where, line.text)
        yield line, record


def several(
    path: Path,
    source: str,
    defaults: Record,
    split: Callable[[Record], Iterable[Record]],
    convert: Callable[[Record], Iterable[Record]],
    limits: SizeLimitSettings = _DEFAULT,
) -> Iterator[FeedbackEvent | RejectedRecord]:
    """The records of a file each of which holds several acts of feedback, such as a task with all its annotations.

    Args:
        path: the file.
        source: the source of the events.
        defaults: values of fields that the records leave out.
        split: takes a record apart. A part that cannot be used is rejected alone.
        convert: turns a part into records in the canonical form, each with a `source_id` of its own.
        limits: how large the file, a record and a text may be.

    Raises:
        BadFeedback: see `read`.
    """
    for line in read(path, limits):
        filled = {**defaults, "source": source, "source_sha256": line.sha256}
        try:
            parts = list(split(parse(line)))
        except Exception as error:  # as in `judged`
            yield rejected(error, source, line.where, line.text)
            continue
        for part in parts:
            yield from converted(part, line.where, filled, convert)


def converted(
    part: Record, where: str, filled: Record, convert: Callable[[Record], Iterable[Record]]
) -> Iterator[FeedbackEvent | RejectedRecord]:
    """A part of a record as events: all of it, or one rejected record."""
    records: list[FeedbackEvent | RejectedRecord]
    try:
        records = [canonical.event(record, filled) for record in convert(part)]
    except Exception as error:  # as in `judged`
        records = [rejected(error, str(filled["source"]), where, as_json(part).decode())]
    yield from records


def rejected(error: Exception, source: str, where: str, text: str) -> RejectedRecord:
    """A record that cannot be used, with the reason; an error other than `BadFeedback` is named by its class.

    Raises:
        MemoryError: `error` is one, which says nothing about the record.
    """
    if isinstance(error, MemoryError):
        raise error
    reason = str(error)
    if not isinstance(error, BadFeedback):
        reason = f"{type(error).__name__} ({error}), expected a record of a known form"
    if len(reason) > SHOWN:  # it quotes the record
        reason = f"{reason[:SHOWN]}…"
    storable = reason.encode(errors="backslashreplace").decode()  # it may quote a lone surrogate
    return RejectedRecord(source=source, where=where, reason=storable, record=text)


def read(path: Path, limits: SizeLimitSettings = _DEFAULT) -> Iterator[Line]:
    """The records of a file, one by one, whatever kind of file it is and however it is compressed.

    Raises:
        BadFeedback: the file does not exist, is empty, damaged, too large, or of a kind that is not read.
    """
    check(path)
    name, copies = path.name, Counter[bytes]()
    for number, raw, problem in packaging.records(path, limits):
        content = hashlib.sha256(raw).digest()
        copies[content] += 1
        yield Line(f"{name}:{number}", raw, copies[content], problem, limits)


def _identity(sha256: str, copy: int) -> str:
    return sha256[:32] if copy == 1 else f"{sha256[:32]}-{copy}"


def check(path: Path) -> None:
    """Check that a file exists.

    Raises:
        BadFeedback: it does not.
    """
    if not path.is_file():
        raise BadFeedback(f"{path}: there is no such file; set `path` of the source to one that exists")


def parse(line: Line) -> Record:
    """The JSON object on a line.

    Raises:
        BadFeedback: the line is not a JSON object, or too large or too deeply nested.
    """
    if reason := line.problem:
        raise BadFeedback(reason)
    try:
        value = json_text.loads(line.raw.removeprefix(BOM_UTF8).decode())
    except UnicodeDecodeError as error:
        raise BadFeedback(f"the line is not UTF-8: byte {error.start + 1}; expected a JSON object in UTF-8") from error
    except json.JSONDecodeError as error:
        raise BadFeedback(
            f"the line is not JSON: {error.msg} at column {error.colno}; expected one object per line"
        ) from error
    except json_text.RepeatedKey as error:
        reason = json_text.problem(str(error))
        raise BadFeedback(reason) from error
    except (ValueError, RecursionError) as error:
        raise BadFeedback(
            f"the line has a number that is too long or nesting that is too deep, expected less of both: {error}"
        ) from error
    if not isinstance(value, dict):
        raise BadFeedback('the line is not a JSON object, expected {"prompt": …, …}')
    if line.raw.count(b"[") + line.raw.count(b"{") > DEEPEST and is_too_deep(value):
        raise BadFeedback(f"the line has nesting that is too deep, expected at most {DEEPEST} levels")
    if problem := record_problem(value, len(line.raw), line.limits):
        raise BadFeedback(problem)
    return value
