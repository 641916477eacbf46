"""Adding events to the store: they are held as Arrow columns until the part of the round is written as a whole."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.files import replacing
from feedback import superseding
from feedback.arrow import SCHEMA, from_table, to_table
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.store import identity, parquet
from feedback.stored import COLUMNS, Decoder, StoredEvent
from feedback.superseding import Giver

_CHUNK = 2_000  # events that are objects at a time


class AppendResult(NamedTuple):
    """The result of `append`; it is the same when `append` is repeated after a kill."""

    new: int
    """Events that the round stored: now, or before it was killed."""
    repeated: int
    """Events whose id was already stored: the same record, or the same content."""
    changed: tuple[RejectedRecord, ...]
    """Events whose id was already stored, with other content: the stored one stays, these go to quarantine."""


def append(folder: Path, events: Iterable[FeedbackEvent], round: int) -> AppendResult:
    """Store the events that are not stored yet as the next part of a round.

    Repeated after a kill at any point, it leaves the same files with the same bytes.
    """
    draft = Draft(folder, round)
    for event in events:
        draft.add(event)
    return draft.write()


class Draft:
    """The next part of a round. Nothing is on disk before `write`.

    An event whose id is known is the same record read again if its raw record (`source_sha256`) or its content is the
    same. The raw record is compared first: an older version may have read it in another way.
    """

    def __init__(self, folder: Path, round: int) -> None:
        self._folder, self._round = folder, round
        self._of_round = _records(part for part in parquet.parts(folder, round))
        self._before = _records(part for part in parquet.parts(folder) if parquet.round_of(part) != round)
        self._own: dict[str, str | None] = {}
        self._objects: list[FeedbackEvent] = []
        self._tables: list[pa.Table] = []
        self._doubtful: list[tuple[FeedbackEvent, bool]] = []
        self._repeated = 0
        self._changed: dict[bool, list[RejectedRecord]] = {True: [], False: []}

    def add(self, event: FeedbackEvent) -> None:
        """Add an event, if it is not stored yet."""
        name, record = event.feedback_id, event.source_sha256
        if name in self._before or name in self._own:
            self._repeated += 1
            self._check(event, self._before.get(name) or self._own.get(name), first=False)
        elif name in self._of_round:
            self._own[name] = record
            self._check(event, self._of_round[name], first=True)
        else:
            self._own[name] = record
            self._objects.append(event)
            if len(self._objects) >= _CHUNK:
                self._convert()

    def is_stored(self, feedback_id: str) -> bool:
        """Whether an event with this id was stored before: by an earlier round, or by this one before it was killed."""
        return feedback_id in self._before or feedback_id in self._of_round

    def givers(self, wanted: Collection[str]) -> dict[str, Giver]:
        """Who gave the events with these ids that are stored, or that were added."""
        return superseding.givers(
            (*parquet.with_ids(self._folder, set(wanted)).values(), *self._unwritten(wanted).values())
        )

    def prompts(self) -> list[str]:
        """The prompt id of each event that will be written, in order."""
        self._convert()
        return [name for table in self._tables for name in table["prompt_id"].to_pylist()]

    def with_prompts(self, prompts: Collection[str]) -> list[StoredEvent]:
        """The events that will be written and have these prompts, in order."""
        self._convert()
        wanted, decoder = pa.array(sorted(prompts), pa.string()), Decoder()
        selected = (table.filter(pc.is_in(table["prompt_id"], wanted)).select(COLUMNS) for table in self._tables)
        return [event for table in selected for event in decoder.events(table)]

    def write(self, groups: Sequence[str] | None = None) -> AppendResult:
        """Write the part, with these prompt groups for its events where they are given."""
        self._convert()
        self._judge()
        if self._tables:
            self._write(pa.concat_tables(self._tables), groups)
        changed = (*self._changed[True], *self._changed[False])
        parquet.quarantine(self._folder, changed, self._round)
        new = len(self._own) - len(self._changed[True])
        return AppendResult(new, self._repeated - len(self._changed[False]), changed)

    def _write(self, table: pa.Table, groups: Sequence[str] | None) -> None:
        if groups is not None:
            table = _with_column(table, "prompt_group", groups)
        number = len(parquet.parts(self._folder, self._round))
        with replacing(self._folder / f"part-{self._round:05d}-{number}.parquet") as draft:
            pq.write_table(table, draft)

    def _convert(self) -> None:
        """Objects to columns."""
        if self._objects:
            table = to_table(self._objects)
            self._tables.append(_with_column(table, "round", [self._round] * len(table)))
            self._objects.clear()

    def _check(self, event: FeedbackEvent, record: str | None, first: bool) -> None:
        """Compare an event with the stored one. `first` tells whether it is the first of its id in this round."""
        if record is None or record != event.source_sha256:
            self._doubtful.append((event, first))
            if len(self._doubtful) >= _CHUNK:
                self._judge()

    def _judge(self) -> None:
        """Compare the contents of events that may differ from those stored under their ids."""
        wanted = {event.feedback_id for event, _ in self._doubtful}
        stored = self._unwritten(wanted) | parquet.with_ids(self._folder, wanted)
        for event, first in self._doubtful:
            if identity.content(event) != identity.content(stored[event.feedback_id]):
                self._changed[first].append(identity.changed(event))
        self._doubtful.clear()

    def _unwritten(self, wanted: Collection[str]) -> dict[str, FeedbackEvent]:
        self._convert()
        names = pa.array(sorted(wanted), pa.string())
        selected = (table.filter(pc.is_in(table["feedback_id"], names)) for table in self._tables if wanted)
        return {event.feedback_id: event for table in selected for event in from_table(table)}


def _records(files: Iterable[Path]) -> dict[str, str | None]:
    """Event id → SHA-256 of its raw record, for all events in these parts."""
    columns = ["feedback_id", "source_sha256"]
    tables = (pq.read_table(part, columns=columns) for part in files)
    return {name: record for table in tables for name, record in zip(*map(_texts, table.columns), strict=True)}


def _texts(column: pa.ChunkedArray) -> list[str]:
    texts: list[str] = column.to_numpy(zero_copy_only=False).tolist()
    return texts


def _with_column(table: pa.Table, name: str, values: Sequence[object]) -> pa.Table:
    field = SCHEMA.field(name)
    return table.set_column(SCHEMA.get_field_index(name), field, pa.array(values, field.type))
