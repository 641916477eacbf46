"""A record as it came out of a file, before it is parsed."""

import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, NamedTuple

from feedback.limits import SHOWN, SizeLimitSettings, too_large


class RawRecord(NamedTuple):
    """One record of a file as JSON text, and its position."""

    number: int
    """The line on which it begins, or the number of the record in a file without lines; from 1."""
    raw: bytes
    """A JSON object in UTF-8. In JSON lines, the line as it is, without white space around it."""
    problem: str | None = None
    """Why the record cannot be used, if that was found while it was taken out of the file."""


def limited(record: RawRecord, limits: SizeLimitSettings) -> RawRecord:
    """The record, or one that cannot be used if it is too large."""
    size = len(record.raw)
    return record if size <= limits.record_bytes else too_large_record(record.number, record.raw[:SHOWN], size, limits)


def too_large_record(number: int, beginning: bytes, size: int, limits: SizeLimitSettings) -> RawRecord:
    """A record of which only the beginning is kept."""
    reason = too_large("the record", size, limits.record_bytes, "record_bytes", "split it")
    return RawRecord(number, beginning, reason)


def as_json(record: Mapping[str, Any]) -> bytes:
    """A record as JSON text in UTF-8. Numbers that are not finite, which stand for missing ones, become null."""
    finite = {name: None if _is_nan(value) else value for name, value in record.items()}
    try:
        return json.dumps(finite, ensure_ascii=False, default=_plain).encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can hold only as an escape
        return json.dumps(finite, default=_plain).encode()


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _plain(value: object) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    return value.isoformat() if isinstance(value, date | datetime | time) else str(value)
