"""CSV and TSV: the first line names the columns, every other row is a record of texts. An empty cell is null."""

import csv
import io
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from core.errors import BadFeedback
from feedback.packaging.kinds import column_names, delimiter
from feedback.packaging.raw import RawRecord, as_json

NESTED = frozenset(
    {
        *("responses", "judgements", "flags", "extra", "annotator_groups", "shown_order"),
        *("messages", "conversations", "context", "input", "preferred_output", "non_preferred_output"),
        *("conversation_a", "conversation_b", "full_conversation"),
    }
)
"""Columns that hold lists or objects, written as JSON in a cell."""


def records(stream: IO[bytes], path: Path) -> Iterator[RawRecord]:
    """The rows, numbered by the line on which they begin.

    Raises:
        BadFeedback: the rows cannot be separated, as in a file with zero bytes.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # the default, 128 kB, is less than a long answer
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    header, above = _header(text)
    names = column_names(header)
    rows = csv.reader(text, delimiter=delimiter(header) or ",", strict=True)
    line = above + 2
    try:
        for row in rows:
            if row:
                yield _record(line, names, row)
            line = rows.line_num + above + 2
    except csv.Error as error:
        raise BadFeedback(f"{path}: the row of line {line} cannot be read ({error}); correct it") from error
    finally:
        text.detach()  # the stream is closed where it was opened


def _header(text: IO[str]) -> tuple[str, int]:
    """The first line that is not blank, and the number of lines above it."""
    for above, line in enumerate(iter(text.readline, "")):
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
        value = json.loads(cell)
    except (ValueError, RecursionError):
        return cell
    return value if name in NESTED or _is_conversation(value) else cell


def _is_conversation(value: object) -> bool:
    turns = value if isinstance(value, list) else []
    return bool(turns) and all(isinstance(turn, dict) and {"role", "content"} <= turn.keys() for turn in turns)
