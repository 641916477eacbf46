"""Feedback on disk: append-only Parquet parts of canonical events, and a quarantine folder.

    feedback/part-00003-0.parquet         events that round 3 ingested
    feedback/quarantine/round-00003.jsonl records that it could not use, with reasons

Parts are never removed, and only `erasure` rewrites them. A repeated vote with another id is stored too; `preferences`
counts it once.
"""

import hashlib
import io
import random
from collections.abc import Container, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.errors import Damaged
from core.files import write_text
from feedback.arrow import SCHEMA, from_table
from feedback.schema import FeedbackEvent, Message, RejectedRecord
from feedback.stored import COLUMNS, Decoder, StoredEvent, StoredPrompt, StoredTurn

BATCH = 5_000
"""Rows that are in memory at a time where a store is read in batches."""


def read(folder: Path, rounds: Container[int] | None = None) -> pa.Table:
    """All events, in the order of their ingestion, with the columns of `arrow.SCHEMA`; empty without a folder.

    With `rounds`, only the events that one of them ingested.

    Raises:
        Damaged: a part cannot be read; so all other functions that read parts.
    """
    selected = (part for part in parts(folder) if rounds is None or round_of(part) in rounds)
    tables = [_table(part, schema=SCHEMA) for part in selected]
    return pa.concat_tables([SCHEMA.empty_table(), *tables])


def batches(folder: Path, columns: Sequence[str], rounds: Container[int] | None = None) -> Iterator[pa.RecordBatch]:
    """Columns of all events, or of those that one of `rounds` ingested, in order; at most `BATCH` rows at a time."""
    for part in parts(folder):
        if rounds is None or round_of(part) in rounds:
            with _reading(part), pq.ParquetFile(part) as file:
                yield from file.iter_batches(BATCH, columns=list(columns), use_threads=False)


def stored(folder: Path, rounds: Container[int] | None = None) -> Iterator[StoredEvent]:
    """All events, or those that one of `rounds` ingested, in the order of their ingestion, as training reads them."""
    decoder = Decoder()
    return (event for batch in batches(folder, COLUMNS, rounds) for event in decoder.events(batch))


def events(folder: Path, rounds: Container[int] | None = None) -> list[FeedbackEvent]:
    """The same with all fields, validated again: for few events."""
    return from_table(read(folder, rounds))


def first(folder: Path, count: int) -> list[FeedbackEvent]:
    """The first `count` events with all fields; later ones are not read."""
    remaining, tables = count, []
    for batch in batches(folder, SCHEMA.names):
        tables.append(pa.Table.from_batches([batch]).slice(0, remaining))
        remaining -= len(tables[-1])
        if remaining <= 0:
            break
    return [event for table in tables for event in from_table(table)]


def ids(folder: Path) -> set[str]:
    """The ids of all events."""
    return _ids(parts(folder))


def with_ids(folder: Path, ids: Set[str]) -> dict[str, FeedbackEvent]:
    """The stored events with these ids. Only their rows are built; of all others the ids alone are read."""
    if not ids:
        return {}
    return {event.feedback_id: event for part in parts(folder) for event in _selected(part, ids)}


def count(folder: Path, round: int) -> int:
    """The number of events that a round ingested."""
    return sum(pq.read_metadata(part).num_rows for part in parts(folder, round))


def size(folder: Path) -> int:
    """The number of all events."""
    return sum(pq.read_metadata(part).num_rows for part in parts(folder))


def digest(folder: Path) -> str:
    """SHA-256 (hex) of the stored events. It depends neither on the time of ingestion nor on how parts divide them."""
    rows = read(folder).drop_columns(["ingested_at"]).sort_by("feedback_id").combine_chunks()
    sha = hashlib.sha256()
    with pa.ipc.new_stream(_Hashing(sha), rows.schema) as writer:
        writer.write_table(rows)
    return sha.hexdigest()


def groups(folder: Path) -> list[StoredPrompt]:
    """The distinct prompts of all events, with their groups, in the order of their ingestion; each id once."""
    return first_of_each(prompt_texts(folder))


def prompt_texts(folder: Path) -> list[StoredPrompt]:
    """The same with every text that is stored under an id: texts of one id differ in case, white space or form."""
    known: dict[tuple[str, tuple[StoredTurn, ...]], StoredPrompt] = {}
    decoder = Decoder()
    for batch in batches(folder, StoredPrompt._fields):
        for entry in map(StoredPrompt._make, decoder.rows(batch, StoredPrompt._fields)):
            known.setdefault((entry.prompt_id, entry.prompt), entry)
    return list(known.values())


def first_of_each(prompts: Iterable[StoredPrompt]) -> list[StoredPrompt]:
    """The first entry of each prompt id."""
    known: dict[str, StoredPrompt] = {}
    for entry in prompts:
        known.setdefault(entry.prompt_id, entry)
    return list(known.values())


def prompts(folder: Path, count: int, seed: int) -> list[tuple[Message, ...]]:
    """Up to `count` distinct prompts of the stored events, drawn at random by `seed`."""
    pool = groups(folder)
    drawn = random.Random(seed).sample(pool, min(count, len(pool)))
    return [tuple(Message(role=turn.role, content=turn.content) for turn in entry.prompt) for entry in drawn]


def parts(folder: Path, round: int | None = None) -> list[Path]:
    """The parts, or those of one round, by round, then by number: `part-00003-10` comes after `part-00003-9`."""
    files = folder.glob("part-*-*.parquet" if round is None else f"part-{round:05d}-*.parquet")
    return sorted(files, key=lambda part: [int(number) for number in part.stem.split("-")[1:]])


def round_of(part: Path) -> int:
    """The round that wrote a part."""
    return int(part.stem.split("-")[1])


def quarantine(folder: Path, rejected: Iterable[RejectedRecord], round: int) -> int:
    """Add rejected records to `quarantine/round-<n>.jsonl`; returns how many of them no round had in quarantine yet.

    A record is recognised even if its reason is worded differently than before.
    """
    rejected = list(rejected)
    known = {_identity(record) for record in rejections(folder)} if rejected else set()
    added: dict[tuple[str, str, str], RejectedRecord] = {}
    for record in rejected:
        if _identity(record) not in known:
            added.setdefault(_identity(record), record)
    if added:
        target = quarantine_folder(folder) / f"round-{round:05d}.jsonl"
        before = target.read_text(encoding="utf-8") if target.exists() else ""
        write_text(target, before + "".join(record.model_dump_json() + "\n" for record in added.values()))
    return len(added)


def quarantine_folder(folder: Path) -> Path:
    """The folder of the records that cannot be used."""
    return folder / "quarantine"


def rejections(folder: Path, round: int | None = None) -> list[RejectedRecord]:
    """The records that a round could not use; without `round`, those of all rounds, oldest first."""
    files = sorted(quarantine_folder(folder).glob("round-*.jsonl" if round is None else f"round-{round:05d}.jsonl"))
    return [RejectedRecord.model_validate_json(line) for file in files for line in file.read_bytes().splitlines()]


class _Hashing(io.RawIOBase):
    """A stream that hashes what is written to it, and keeps nothing."""

    def __init__(self, sha: "hashlib._Hash") -> None:
        self._sha = sha

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._sha.update(data)
        return len(memoryview(data))


def _identity(record: RejectedRecord) -> tuple[str, str, str]:
    return record.source, record.where, record.record


def _ids(files: Iterable[Path]) -> set[str]:
    columns = (_table(part, columns=["feedback_id"])["feedback_id"] for part in files)
    return {feedback_id for column in columns for feedback_id in column.to_pylist()}


def _selected(part: Path, ids: Set[str]) -> list[FeedbackEvent]:
    column = _table(part, columns=["feedback_id"])["feedback_id"]
    mask = pc.is_in(column, value_set=pa.array(sorted(ids), pa.string()))
    return from_table(_table(part, schema=SCHEMA).filter(mask)) if pc.any(mask).as_py() else []


def _table(part: Path, **options: Any) -> pa.Table:
    with _reading(part):
        return pq.read_table(part, **options)


@contextmanager
def _reading(part: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise Damaged(f"{part} cannot be read as feedback: {error}; restore it from a backup") from error
