"""What a file of records is, and how its records would be read. Read by the code that imports them; changes nothing."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, islice, takewhile
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import BadFeedback
from feedback import exports, layouts, packaging, trust
from feedback.clashes import clashes, rejecting
from feedback.exports import Exported
from feedback.faults import Faults
from feedback.fieldmap import FieldMap
from feedback.forms import correction_votes
from feedback.layouts import Layout
from feedback.limits import SizeLimitSettings
from feedback.lines import Line, judged, parse
from feedback.packaging.compression import Compression
from feedback.packaging.kinds import FileKind
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake
from feedback.trials import Trial, trial
from feedback.votes import Vote, votes

CANONICAL = "canonical"
"""The form of a record that has `responses`."""
BY_MAP = "of the map"
"""The form of a record that is read by a map."""
GUESSED_FROM = 100
"""Number of records from which a map is guessed."""
_DEFAULT = SizeLimitSettings()


class Lengths(NamedTuple):
    """Numbers of words, separated by white space, of the texts of one kind."""

    median: int
    longest: int


class Packing(NamedTuple):
    """How a file holds its records."""

    kind: FileKind
    compression: Compression


class Inspection(NamedTuple):
    """What is in a file, or in the files of a folder."""

    path: Path
    packings: dict[Packing, int]
    """Kind and compression → the number of files, the most frequent first."""
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
    shared: dict[int, int]
    """Number of words with which both of two different answers begin → the number of such pairs."""
    ignored: dict[str, int]
    """Field → the number of usable records that state it although they may not without `--trust`."""
    superseding: int
    """Number of usable records that supersede another event."""
    exported: Exported | None
    """The kind of export, if its records are read by a source only."""
    trial: Trial | None
    """The source that the records were read by."""

    @property
    def layouts(self) -> list[Layout]:
        """The forms of the records that are layouts."""
        return [layout for layout in layouts.all_layouts() if layout.name() in self.forms]


class _Tally:
    """Counts records one by one; only the first ones are kept."""

    def __init__(self, examples: int) -> None:
        self._wanted = examples
        self.forms: Counter[str] = Counter()
        self.first: list[tuple[str, FeedbackEvent]] = []
        self.prompts: Counter[int] = Counter()
        self.answers: Counter[int] = Counter()
        self.unlicensed = 0
        self.shared: Counter[int] = Counter()
        self.ignored: Counter[str] = Counter()
        self.superseding = 0
        self.faults = Faults()
        self._ids: set[str] = set()
        self.repeated: set[str] = set()
        """Ids that several records have."""

    def add(self, where: str, form: str, record: FeedbackEvent | RejectedRecord) -> None:
        """Count a record."""
        if isinstance(record, RejectedRecord):
            self.faults.add(record)
            return
        self.forms[form] += 1
        (self.repeated if record.feedback_id in self._ids else self._ids).add(record.feedback_id)
        self.prompts[sum(len(turn.content.split()) for turn in record.prompt)] += 1
        self.answers.update(len(response.text.split()) for response in record.responses)
        self.unlicensed += record.licence == "none-stated"
        self.ignored.update(trust.ignored(record))
        self.superseding += record.supersedes is not None
        self.shared.update(_shared(vote.pair.first, vote.pair.second) for vote in _compared(record))
        if len(self.first) < self._wanted:
            self.first.append((where, record))


def inspect(
    path: Path,
    fields: FieldMap | None = None,
    source: Trial | None = None,
    examples: int = 3,
    limits: SizeLimitSettings = _DEFAULT,
) -> Inspection:
    """Read a whole file or folder, by a map, by a source, or by the form of its records.

    An export is read by its source if that needs no further knobs.

    Raises:
        BadFeedback: it does not exist, is empty, damaged, or of a kind that is not read.
    """
    files = packaging.files_at(path)
    packings = Counter(Packing(*packaging.detect(file, limits)) for file in files)
    exported = None if fields or source else exports.exported(files[0], limits)
    if exported and not exported.export.knobs:
        source = trial({"use": exported.export.source}, path)
    read = _Reading(files, fields, limits)
    tally = _tallied(_by_source(source, limits) if source else _by_form(read, {}), examples)
    if not source and tally.repeated:
        tally = _tallied(_by_form(read, _clashes(read, tally.repeated)), examples)
    return Inspection(
        path,
        dict(packings.most_common()),
        dict(tally.forms.most_common()),
        tally.forms.total(),
        tally.first,
        tally.faults.total,
        tally.faults.lines(),
        []
        if tally.forms
        else list(islice((record for file in files for record in _parsed(file, limits)), GUESSED_FROM)),
        _lengths(tally.prompts),
        _lengths(tally.answers),
        tally.unlicensed,
        dict(tally.shared),
        dict(tally.ignored),
        tally.superseding,
        exported,
        source,
    )


def _tallied(records: Iterable[tuple[str, str, FeedbackEvent | RejectedRecord]], examples: int) -> _Tally:
    tally = _Tally(examples)
    for where, form, record in records:
        tally.add(where, form, record)
    return tally


def _clashes(read: "_Reading", repeated: Container[str]) -> dict[str, str]:
    """Position of a record that has the id of another one → the reason why it cannot be used."""
    events = (
        (line, record)
        for line, record in read.judged()
        if isinstance(record, FeedbackEvent) and record.feedback_id in repeated
    )
    return clashes(events, {})


class _Reading(NamedTuple):
    """Files, and how their records are read."""

    files: Sequence[Path]
    fields: FieldMap | None
    limits: SizeLimitSettings

    def judged(self) -> Iterator[tuple[Line, FeedbackEvent | RejectedRecord]]:
        """All records, each with its line."""
        for file in self.files:
            yield from judged(file, file.name, {}, self.fields.record if self.fields else dict, self.limits)


def _by_form(read: _Reading, clashing: Mapping[str, str]) -> Iterator[tuple[str, str, FeedbackEvent | RejectedRecord]]:
    """Position, form and event of each record."""
    by_map = read.fields is not None and bool(read.fields.answers)
    for line, record in rejecting(read.judged(), clashing):
        usable = isinstance(record, FeedbackEvent)
        yield line.where, "" if not usable else BY_MAP if by_map else _form(line), record


def _by_source(read: Trial, limits: SizeLimitSettings) -> Iterator[tuple[str, str, FeedbackEvent | RejectedRecord]]:
    for record in read.source.read(Intake(round=0, seed=0, limits=limits)):
        where = record.source_id if isinstance(record, FeedbackEvent) else record.where
        yield where, f"of the source {read.source.name()}", record


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


def _compared(event: FeedbackEvent) -> list[Vote]:
    """The votes of an event by its first criterion."""
    cast = [*correction_votes(event), *votes(event)]
    return [vote for vote in cast if vote.pair.criterion == cast[0].pair.criterion]


def _shared(first: str, second: str) -> int:
    """The number of words with which both texts begin."""
    pairs = zip(first.split(), second.split(), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _parsed(file: Path, limits: SizeLimitSettings) -> Iterator[Mapping[str, Any]]:
    """The records of a file that are JSON objects."""
    for raw in packaging.records(file, limits):
        try:
            yield parse(Line("", raw.raw, 1, raw.problem, limits))
        except BadFeedback:
            continue
