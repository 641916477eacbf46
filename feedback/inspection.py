"""What a file of records is, and how its records would be read. Read by the code that imports them; changes nothing."""

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from core.errors import BadFeedback
from feedback import layouts, packaging
from feedback.faults import Faults
from feedback.fieldmap import FieldMap
from feedback.lines import Line, judged, parse
from feedback.packaging.compression import Compression
from feedback.packaging.kinds import FileKind
from feedback.schema import FeedbackEvent, RejectedRecord

CANONICAL = "canonical"
"""The form of a record that has `responses`."""
BY_MAP = "of the map"
"""The form of a record that is read by a map."""


class Inspection(NamedTuple):
    """What is in a file."""

    file: Path
    kind: FileKind
    compression: Compression
    forms: dict[str, int]
    """Form → the number of records that have it, the most frequent first."""
    usable: int
    examples: list[tuple[str, FeedbackEvent]]
    """The first records that can be used, each with its position."""
    rejected: int
    faults: list[str]
    """One line per kind of fault, with the number of records and an example."""
    columns: list[str]
    """The columns of the first record."""


def inspect(file: Path, fields: FieldMap | None = None, examples: int = 3) -> Inspection:
    """Read a whole file, by a map or by the form of its records.

    Raises:
        BadFeedback: it does not exist, is empty, damaged, or of a kind that is not read.
    """
    forms: Counter[str] = Counter()
    first: list[tuple[str, FeedbackEvent]] = []
    usable, faults = 0, Faults()
    for line, record in judged(file, file.name, {}, fields.record if fields else dict):
        if isinstance(record, RejectedRecord):
            faults.add(record)
            continue
        forms[BY_MAP if fields else _form(line)] += 1
        usable += 1
        if len(first) < examples:
            first.append((line.where, record))
    kind, compression = packaging.detect(file)
    return Inspection(
        file, kind, compression, dict(forms.most_common()), usable, first, faults.total, faults.lines(), _columns(file)
    )


def _form(line: Line) -> str:
    record = parse(line)
    return CANONICAL if "responses" in record else layouts.recognise(record).name()


def _columns(file: Path) -> list[str]:
    """The columns of the first record that is a JSON object; empty if none of the first ones is."""
    for raw in islice(packaging.records(file), 10):
        try:
            return list(parse(Line("", raw.raw, 1, raw.problem)))
        except BadFeedback:
            continue
    return []
