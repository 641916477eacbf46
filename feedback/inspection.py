"""What a file of records is, and how its records would be read. Read by the code that imports them; changes nothing."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import BadFeedback
from feedback import layouts, packaging
from feedback.faults import Faults
from feedback.fieldmap import FieldMap
from feedback.layouts import Layout
from feedback.lines import Line, judged, parse
from feedback.packaging.compression import Compression
from feedback.packaging.kinds import FileKind
from feedback.schema import FeedbackEvent, RejectedRecord

CANONICAL = "canonical"
"""The form of a record that has `responses`."""
BY_MAP = "of the map"
"""The form of a record that is read by a map."""
GUESSED_FROM = 100
"""Number of records from which a map is guessed."""


class Lengths(NamedTuple):
    """Numbers of words, separated by white space, of the texts of one kind."""

    median: int
    longest: int


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
    records: list[Mapping[str, Any]]
    """The first records as they are, if none of all can be used."""
    prompts: Lengths
    answers: Lengths
    unlicensed: int
    """Number of usable records that state no licence."""

    @property
    def layouts(self) -> list[Layout]:
        """The forms of the records that are layouts."""
        return [layout for layout in layouts.all_layouts() if layout.name() in self.forms]


def inspect(file: Path, fields: FieldMap | None = None, examples: int = 3) -> Inspection:
    """Read a whole file, by a map or by the form of its records.

    Raises:
        BadFeedback: it does not exist, is empty, damaged, or of a kind that is not read.
    """
    forms: Counter[str] = Counter()
    first: list[tuple[str, FeedbackEvent]] = []
    prompts: Counter[int] = Counter()
    answers: Counter[int] = Counter()
    unlicensed, faults = 0, Faults()
    for line, record in judged(file, file.name, {}, fields.record if fields else dict):
        if isinstance(record, RejectedRecord):
            faults.add(record)
            continue
        forms[BY_MAP if fields and fields.answers else _form(line)] += 1
        prompts[sum(len(turn.content.split()) for turn in record.prompt)] += 1
        answers.update(len(response.text.split()) for response in record.responses)
        unlicensed += record.licence == "none-stated"
        if len(first) < examples:
            first.append((line.where, record))
    kind, compression = packaging.detect(file)
    return Inspection(
        file,
        kind,
        compression,
        dict(forms.most_common()),
        forms.total(),
        first,
        faults.total,
        faults.lines(),
        [] if forms else list(islice(_parsed(file), GUESSED_FROM)),
        _lengths(prompts),
        _lengths(answers),
        unlicensed,
    )


def _form(line: Line) -> str:
    record = parse(line)
    return CANONICAL if "responses" in record else layouts.recognise(record).name()


def _lengths(counts: Counter[int]) -> Lengths:
    """The median and the largest of numbers that are counted."""
    if not counts:
        return Lengths(0, 0)
    numbers = sorted(counts)
    until = zip(numbers, accumulate(counts[number] for number in numbers), strict=True)
    return Lengths(next(number for number, count in until if 2 * count >= counts.total()), numbers[-1])


def _parsed(file: Path) -> Iterator[Mapping[str, Any]]:
    """The records of a file that are JSON objects."""
    for raw in packaging.records(file):
        try:
            yield parse(Line("", raw.raw, 1, raw.problem))
        except BadFeedback:
            continue
