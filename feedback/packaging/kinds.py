"""The kind of a file, found from its first bytes: never from its name."""

import csv
import json
import re
from collections import Counter
from enum import StrEnum
from typing import NamedTuple

from core.errors import BadFeedback
from feedback.limits import MOST_COLUMNS

READ = "JSON lines, a JSON array, CSV, TSV, Parquet or Arrow"


class FileKind(StrEnum):
    """A kind of file that is read; the value is the ending of its name."""

    JSON_LINES = "jsonl"
    JSON_ARRAY = "json"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"
    ARROW = "arrow"


class _Foreign(NamedTuple):
    """A kind of file that is not read."""

    begins: re.Pattern[bytes]
    name: str
    cure: str


_FOREIGN = (
    _Foreign(
        re.compile(rb"version https://git-lfs"), "a Git LFS pointer, not the data", "run `git lfs pull` to get the data"
    ),
    _Foreign(
        re.compile(rb"\xff\xfe(?!\xff)|\xfe\xff|[^\0]\0[^\0]\0|\0[^\0]\0[^\0]"),
        "text in UTF-16, expected UTF-8",
        "write it again with `iconv -f UTF-16 -t UTF-8`",
    ),
    _Foreign(
        re.compile(rb"\s*<(!doctype|html|head|body)", re.IGNORECASE),
        "an HTML page, probably an error message or a page about the file",
        "download the file itself",
    ),
    _Foreign(re.compile(rb"\s*<\?xml", re.IGNORECASE), "XML", f"write it as {READ}"),
    _Foreign(re.compile(rb"PK\x03\x04"), "a ZIP archive or a spreadsheet", "unpack it, or save the sheet as CSV"),
    _Foreign(re.compile(rb"SQLite format 3\0"), "an SQLite database", "write the table as CSV"),
    _Foreign(re.compile(rb"FEA1"), "Feather version 1", "write it as Parquet"),
    _Foreign(re.compile(rb"ORC"), "ORC", "write it as Parquet"),
    _Foreign(re.compile(rb"\x89HDF"), "HDF5", "write it as Parquet"),
    _Foreign(re.compile(rb"%PDF"), "a PDF document", f"write it as {READ}"),
    _Foreign(re.compile(rb"\x80[\x02-\x05]"), "a pickle, which could run code", f"write it as {READ}"),
    _Foreign(re.compile(rb"\{\s*\n"), "JSON with a record spread over lines", "write it with `jq -c .`, one per line"),
)


def kind_of(head: bytes) -> FileKind:
    """The kind of a file by its first bytes.

    Raises:
        BadFeedback: it is empty, or of a kind that is not read; the message names the kind and the cure.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise BadFeedback("the file is empty; name a file with records")
    for foreign in _FOREIGN:
        if foreign.begins.match(head) or foreign.begins.match(text):
            raise BadFeedback(f"the file is {foreign.name}; {foreign.cure}")
    if head.startswith(b"PAR1"):
        return FileKind.PARQUET
    if head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return FileKind.ARROW
    if text.startswith(b"{") or (text.startswith(b"[") and _is_lines(text)):
        return FileKind.JSON_LINES
    return FileKind.JSON_ARRAY if text.startswith(b"[") else _delimited(text)


def delimiter(header: str) -> str | None:
    """What separates the columns of a header line; None if nothing does."""
    counts = {mark: header.count(mark) for mark in ("\t", ",", ";", "|")}
    mark = max(counts, key=counts.__getitem__)
    return mark if counts[mark] else None


def column_names(header: str) -> list[str]:
    """The names in a header line. `to_csv` of pandas leaves the first empty, above the index: it is `column_1`."""
    names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter(header) or ","), [])]
    return ["column_1", *names[1:]] if len(names) > 1 and not names[0] else names


def _is_lines(text: bytes) -> bool:
    """Whether the first line is a complete JSON value and more lines follow: then it is not the array of the file."""
    first, _, rest = text.partition(b"\n")
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return False
    return bool(rest.strip())


def _delimited(text: bytes) -> FileKind:
    try:
        header = text.partition(b"\n")[0].decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadFeedback(
            f"the file is neither {READ}, or its text is not UTF-8; write it again in UTF-8, such as with "
            "`iconv -f WINDOWS-1252 -t UTF-8`"
        ) from error
    names = _complete_names(header, is_whole=b"\n" in text)
    if len(names) < 2 and not _is_column(header, text):
        raise BadFeedback(f"the file begins with {header[:60]!r}, which is no kind that is read; write it as {READ}")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        columns = ", ".join(name or "(no name)" for name in twice)
        raise BadFeedback(f"the header names several columns alike: {columns}; rename them, each by its own name")
    if not all(names):
        raise BadFeedback(f"the header has no name for column {names.index('') + 1}; write one, or remove the column")
    return FileKind.TSV if delimiter(header) == "\t" else FileKind.CSV


def _complete_names(header: str, is_whole: bool) -> list[str]:
    """The names in a header; of one that goes on beyond the first bytes of a file, without the last, which is cut."""
    names = column_names(header)
    if len(names) > MOST_COLUMNS:
        count = f"{len(names):,}" if is_whole else f"more than {MOST_COLUMNS:,}"
        raise BadFeedback(f"the header names {count} columns; leave out all but {MOST_COLUMNS:,}")
    return names if is_whole or len(names) == 1 else names[:-1]


def _is_column(header: str, text: bytes) -> bool:
    """Whether a line without a delimiter can be the name of a single column: one word, with rows below it."""
    is_word = re.fullmatch(r'"?[A-Za-z_][\w.-]*"?', header.strip()) is not None
    return is_word and bool(text.partition(b"\n")[2].strip())
