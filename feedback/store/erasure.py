"""Erasing one annotator from files of feedback: Parquet parts, quarantine, and files of records that were handed in.

Each file is replaced as a whole, so a kill leaves it as it was or as it shall be, and erasing again changes nothing. A
part or file of votes that becomes empty stays, because the next one is numbered by their count.
"""

import json
import os
from collections.abc import Callable, Iterator, Set
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.files import replacing
from feedback import forgotten, lines
from feedback.arrow import SCHEMA, from_table
from feedback.limits import UNLIMITED
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources.jsonl import source_name
from feedback.store import parquet

GONE = "[purged]"
"""What replaces a text in reports and records."""

MIN_TEXT = 12
"""Characters. Shorter texts ("Yes.") identify nobody, and the answers of models have them too."""

_IDS = ("feedback_id", "feedback_ids", "prompt_id", "supersedes")
_TEXTS = ("prompt", "content", "chosen", "rejected", "completion", "before", "after", "text", "answer")
"""Names of the fields of tables, reports and records that have texts of prompts and answers."""


class Erased(NamedTuple):
    """What is to be erased: the id of one annotator, and what is in the parts because of this annotator alone."""

    annotator: str
    ids: frozenset[str]
    """Ids of the events and of the prompts that nobody else's event has."""
    texts: frozenset[str]
    """Texts of prompts and answers that are in nobody else's event, of at least `MIN_TEXT` characters; with those of
    served answers."""
    asked: frozenset[str] = frozenset()
    """Texts of at least `MIN_TEXT` characters that the server has because of the annotator alone, also where somebody
    gave feedback on them."""

    def has(self, value: Any, field: str = "") -> bool:
        """Whether a JSON value has any of it, in the fields that have annotators, ids and texts.

        Other fields are not searched: a short text or a name may be equal to a word such as `hold`.
        """
        if isinstance(value, dict):
            return any(self.has(inner, name) for name, inner in value.items())
        if isinstance(value, list):
            return any(self.has(inner, field) for inner in value)
        if field == "record" and isinstance(value, str):  # of a rejected record
            return self.has(_parsed(value))
        return isinstance(value, str) and value in self._names(field)

    def without(self, value: Any, field: str = "") -> Any:
        """The JSON value with all of it replaced by `GONE`."""
        if isinstance(value, dict):
            return {name: self.without(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.without(inner, field) for inner in value]
        if field == "record" and self.has(value, field):
            return json.dumps(self.without(_parsed(value)), ensure_ascii=False)
        return GONE if isinstance(value, str) and value in self._names(field) else value

    def _names(self, field: str) -> Set[str]:
        if field in ("annotator", "annotator_id"):
            return {self.annotator}
        return self.ids if field in _IDS else self.texts if field in _TEXTS else frozenset()


def stored(folder: Path, annotator: str) -> list[FeedbackEvent]:
    """The stored events of an annotator, in the order of their ingestion."""
    tables = [table.filter(_by(table, annotator)) for table in _tables(folder)]
    return from_table(pa.concat_tables([SCHEMA.empty_table(), *tables]))


def erased(folder: Path, annotator: str, asked: Set[str] = frozenset()) -> Erased:
    """What there is because of the annotator alone.

    Args:
        folder: the parts.
        annotator: the id.
        asked: texts of prompts and answers that the server has because of the annotator alone.
    """
    own = stored(folder, annotator)
    ids = {event.feedback_id for event in own} | {event.prompt_id for event in own}
    texts = {text for event in own for text in _texts(event)} | asked
    for table in _tables(folder):
        others = table.filter(pc.invert(_by(table, annotator)))
        ids -= set(others["prompt_id"].to_pylist())
        texts -= _texts_of(others)
    return Erased(annotator, frozenset(ids), _long(texts), _long(asked))


def has_text(value: Any, texts: Set[str], field: str = "") -> bool:
    """Whether a JSON value has one of the texts, in the fields that have texts of prompts and answers."""
    if isinstance(value, dict):
        return any(has_text(inner, texts, name) for name, inner in value.items())
    if isinstance(value, list):
        return any(has_text(inner, texts, field) for inner in value)
    return isinstance(value, str) and field in _TEXTS and value in texts


def erase_parts(folder: Path, annotator: str, write: bool) -> int:
    """Remove the events of an annotator from all parts; returns their number. Without `write`, they are counted."""
    count = 0
    for part in parquet.parts(folder):
        table = pq.read_table(part, schema=SCHEMA)
        own = _by(table, annotator)
        if number := pc.sum(own).as_py() or 0:
            count += number
            if write:
                with replacing(part) as draft:
                    pq.write_table(table.filter(pc.invert(own)), draft)
    return count


def erase_texts(folder: Path, what: Erased, write: bool) -> int:
    """Replace texts in the votes of others, who voted on a prompt of the annotator, and in those that were rejected.

    Returns:
        the number of votes.
    """
    count = sum(_erase_texts_of_lines(file, what, write) for file in _rejections(folder))
    for part in parquet.parts(folder):
        rows = pq.read_table(part, schema=SCHEMA).to_pylist()
        number = sum(map(what.has, rows))
        count += number
        if number and write:
            with replacing(part) as draft:
                pq.write_table(pa.Table.from_pylist(what.without(rows), schema=SCHEMA), draft)
    return count


def erase_rejections(folder: Path, annotator: str, write: bool) -> int:
    """Remove the records with the id of an annotator from quarantine; returns their number."""
    theirs = partial(_is_theirs, annotator)
    return sum(_erase_lines(file, theirs, write) for file in _rejections(folder))


def erase_votes(folder: Path, annotator: str, write: bool) -> int:
    """Remove the votes of an annotator from ballots, files of events as JSON lines; returns their number."""
    files = sorted(folder.glob("*/*.jsonl"))
    return sum(_erase_lines(file, lambda line: line["annotator_id"] == annotator, write) for file in files)


def erase_records(file: Path, annotator: str, write: bool) -> int:
    """Remove the records of an annotator from a file of records of any kind; returns their number.

    What is left is written as JSON lines, under the same name and with the same time of arrival, so that the ids and
    the order of the other records stay. A file without other records is removed.

    Raises:
        BadFeedback: the file cannot be read.
    """
    kept = list(_others(file, annotator))
    count = sum(1 for _ in lines.read(file, UNLIMITED)) - len(kept)
    if count and write:
        _replace(file, kept)
    return count


def mentions(text: str, names: Set[str]) -> bool:
    """Whether a text is one of the names, or JSON with one of them as a value, or no JSON and contains one."""
    values = forgotten.texts(text)
    return not names.isdisjoint(values) or (values == {text} and any(name in text for name in names))


def _replace(file: Path, kept: list[bytes]) -> None:
    if not kept:
        file.unlink()
        return
    times = file.stat()
    with replacing(file) as draft:
        draft.write_bytes(b"".join(raw + b"\n" for raw in kept))
        os.utime(draft, ns=(times.st_atime_ns, times.st_mtime_ns))


def _others(file: Path, annotator: str) -> Iterator[bytes]:
    """The records of all others, as text."""
    for line, record in lines.judged(file, source_name(file), {}, limits=UNLIMITED):
        if isinstance(record, RejectedRecord):
            if not mentions(line.text, {annotator}):
                yield line.raw
        elif record.annotator_id != annotator:
            yield line.raw


def _rejections(folder: Path) -> list[Path]:
    return sorted(parquet.quarantine_folder(folder).glob("round-*.jsonl"))


def _is_theirs(annotator: str, line: dict[str, Any]) -> bool:
    return mentions(line["record"], {annotator})


def _erase_texts_of_lines(file: Path, what: Erased, write: bool) -> int:
    values = [json.loads(line) for line in file.read_bytes().splitlines()]
    count = sum(map(what.has, values))
    if count and write:
        changed = [json.dumps(what.without(value), ensure_ascii=False) + "\n" for value in values]
        with replacing(file) as draft:
            draft.write_text("".join(changed), encoding="utf-8")
    return count


def _parsed(record: str) -> Any:
    """The JSON value of a record; None if it is not JSON."""
    try:
        return json.loads(record)
    except (ValueError, RecursionError):
        return None


def _erase_lines(file: Path, theirs: Callable[[dict[str, Any]], bool], write: bool) -> int:
    before = file.read_bytes().splitlines()
    kept = [line for line in before if not theirs(json.loads(line))]
    if write and len(kept) < len(before):
        with replacing(file) as draft:
            draft.write_bytes(b"".join(line + b"\n" for line in kept))
    return len(before) - len(kept)


def _long(texts: Set[str]) -> frozenset[str]:
    return frozenset(text for text in texts if len(text) >= MIN_TEXT)


def _tables(folder: Path) -> Iterator[pa.Table]:
    """The parts, one at a time."""
    return (pq.read_table(part, schema=SCHEMA) for part in parquet.parts(folder))


def _by(table: pa.Table, annotator: str) -> pa.ChunkedArray:
    return pc.equal(table["annotator_id"], annotator)


def _texts(event: FeedbackEvent) -> set[str]:
    turns = [*event.prompt, *(turn for response in event.responses for turn in response.messages)]
    return {turn.content for turn in turns}


def _texts_of(table: pa.Table) -> set[str]:
    """The distinct texts of the prompts and answers of a table of events."""
    prompts = table["prompt"].combine_chunks().flatten()
    answers = pc.struct_field(table["responses"].combine_chunks().flatten(), "messages").flatten()
    columns = [pc.unique(pc.struct_field(turns, "content")).to_pylist() for turns in (prompts, answers)]
    return {text for column in columns for text in column}
