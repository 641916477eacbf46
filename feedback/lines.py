"""Files of JSON lines, plain or gzipped: each line becomes an event or a rejected record, in the order of the file."""

import gzip
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import BadFeedback
from feedback import canonical
from feedback.schema import FeedbackEvent, RejectedRecord

Record = Mapping[str, Any]


class Line(NamedTuple):
    """One line of a file, and its position."""

    where: str
    """File name and line number, from 1: `votes.jsonl:7`."""
    raw: bytes
    copy: int
    """1 for the first line of this content in the file, 2 for the second, …"""

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
        return self.sha256[:32] if self.copy == 1 else f"{self.sha256[:32]}-{self.copy}"


def events(
    path: Path, source: str, defaults: Record, convert: Callable[[Record], Record] = dict
) -> Iterator[FeedbackEvent | RejectedRecord]:
    """The records of a file as events. `convert` turns each into a form that `feedback.canonical` reads.

    Raises:
        BadFeedback: see `read`.
    """
    for line in read(path):
        filled = {**defaults, "source": source, "source_id": line.identity, "source_sha256": line.sha256}
        try:
            yield canonical.event(convert(parse(line)), filled)
        except BadFeedback as error:
            yield RejectedRecord(source=source, where=line.where, reason=str(error), record=line.text)


def read(path: Path) -> Iterator[Line]:
    """The lines of a file that are not blank; a file whose name ends in `.gz` is decompressed while it is read.

    Raises:
        BadFeedback: the file does not exist, or it is damaged.
    """
    check(path)
    copies: Counter[bytes] = Counter()
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            for number, raw in enumerate(map(bytes.strip, stream), start=1):
                if raw:
                    copies[raw] += 1
                    yield Line(f"{path.name}:{number}", raw, copies[raw])
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BadFeedback(f"{path}: the file is damaged ({error}); download it again") from error


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
        BadFeedback: the line is not a JSON object.
    """
    try:
        value = json.loads(line.raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BadFeedback(f"the line is not UTF-8: byte {error.start + 1}; expected a JSON object in UTF-8") from error
    except json.JSONDecodeError as error:
        raise BadFeedback(
            f"the line is not JSON: {error.msg} at column {error.colno}; expected one object per line"
        ) from error
    except (ValueError, RecursionError) as error:
        raise BadFeedback(
            f"the line has a number that is too long or nesting that is too deep, expected less of both: {error}"
        ) from error
    if not isinstance(value, dict):
        raise BadFeedback('the line is not a JSON object, expected {"prompt": …, …}')
    return value
