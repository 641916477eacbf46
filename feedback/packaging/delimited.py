"""CSV and TSV: the first line names the columns, every other row is a record of texts. An empty cell is null."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

from core.errors import BadFeedback
from feedback import json_text
from feedback.limits import LONGEST_NAME, MOST_COLUMNS, SizeLimitSettings
from feedback.packaging.compression import OpenFile
from feedback.packaging.kinds import column_names, delimiter
from feedback.packaging.raw import RawRecord, as_json, limited

NESTED = frozenset(
    {
        *("responses", "judgements", "flags", "extra", "annotator_groups", "shown_order"),
        *("messages", "conversations", "context", "input", "preferred_output", "non_preferred_output"),
        *("conversation_a", "conversation_b", "full_conversation"),
    }
)
"""Columns that hold lists or objects, written as JSON in a cell."""


def records(opened: OpenFile, path: Path, limits: SizeLimitSettings) -> Iterator[RawRecord]:
    """The rows, numbered by the line on which they begin.

    Raises:
        BadFeedback: the rows cannot be separated, as in a file with zero bytes, a row is too large, the header has
            too many columns or too long a name, or the rows, each with the names of the columns, are too large.
    """
    most = min(limits.record_bytes, 2**31 - 1)
    csv.field_size_limit(2**31 - 1)  # the default, 128 kB, is less than a long answer; `_Lines` limits whole rows
    text = io.TextIOWrapper(opened.stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    header, above = _header(text, most)
    names = _checked(column_names(header), path)
    lines = _Lines(text, path, most, above + 2)
    rows = csv.reader(lines, delimiter=delimiter(header) or ",", strict=True)
    line, size = above + 2, 0
    try:
        for row in rows:
            if row:
                record = _record(line, names, row)
                size += len(record.raw)
                opened.limit.check(size, path)
                yield limited(record, limits)
            line = rows.line_num + above + 2
            lines.begin(line)
    except csv.Error as error:
        raise BadFeedback(f"{path}: the row of line {line} cannot be read ({error}); correct it") from error
    finally:
        text.detach()  # the stream is closed where it was opened


class _Lines:
    """The lines of a file; a row may extend over several, of which only so many characters are read."""

    def __init__(self, text: IO[str], path: Path, most: int, first: int) -> None:
        self._text, self._path, self._most = text, path, most
        self.begin(first)

    def begin(self, line: int) -> None:
        """A row begins on this line."""
        self._first, self._size = line, 0

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(self._most + 1):
            self._size += len(line)
            if self._size > self._most:
                raise BadFeedback(
                    f"{self._path}: the row of line {self._first} has more than {self._most:,} characters; correct an "
                    "open quotation mark, split the row, or raise ingest.limits.record_bytes in params.yaml"
                )
            yield line


def _checked(names: list[str], path: Path) -> list[str]:
    if len(names) > MOST_COLUMNS:
        raise BadFeedback(f"{path}: the header names {len(names):,} columns; leave out all but {MOST_COLUMNS:,}")
    if long := next((name for name in names if len(name) > LONGEST_NAME), None):
        raise BadFeedback(f"{path}: the header begins a name with {long[:60]!r}; use at most {LONGEST_NAME} characters")
    return names


def _header(text: IO[str], most: int) -> tuple[str, int]:
    """The first line that is not blank, and the number of lines above it."""
    for above, line in enumerate(iter(partial(text.readline, most), "")):
        if line.strip():
            return line, above
    return "", 0


def _record(line: int, names: Sequence[str], row: Sequence[str]) -> RawRecord:
    if len(row) != len(names):
        reason = f"the row has {len(row)} fields, expected {len(names)} as in the header"
        return RawRecord(line, json.dumps(row).encode(), reason)
    if any("\udc80" <= character <= "\udcff" for cell in row for character in cell):
        return RawRecord(line, json.dumps(row).encode(), "the row is not UTF-8, expected text in UTF-8")
    values = {name: _value(name, cell) if cell.strip() else None for name, cell in zip(names, row, strict=True)}
    return RawRecord(line, as_json(values))


def _value(name: str, cell: str) -> Any:
    """The text of a cell, or the value of one that holds JSON: a conversation, or a column of `NESTED`."""
    if cell[:1] not in ("[", "{"):
        return cell
    try:
        value = json_text.loads(cell)
    except (ValueError, RecursionError):
        return cell
    return value if name in NESTED or _is_conversation(value) else cell


def _is_conversation(value: object) -> bool:
    turns = value if isinstance(value, list) else []
    return bool(turns) and all(isinstance(turn, dict) and {"role", "content"} <= turn.keys() for turn in turns)
