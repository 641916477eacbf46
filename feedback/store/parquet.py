"""Feedback on disk: append-only Parquet parts of canonical events, and a quarantine folder.

    feedback/part-00003-0.parquet         events that round 3 ingested
    feedback/quarantine/round-00003.jsonl records that it could not use, with reasons

Parts are never removed, and only `erasure` rewrites them. A repeated vote with another id is stored too; `preferences`
counts it once.
"""

import hashlib
import random
from collections.abc import Container, Iterable, Set
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.files import replacing, write_text
from feedback.arrow import SCHEMA, from_table, to_table
from feedback.schema import FeedbackEvent, GroupedPrompt, Message, RejectedRecord
from feedback.store import identity


class AppendResult(NamedTuple):
    """The result of `append`; it is the same when `append` is repeated after a kill."""

    new: int
    """Events that the round stored: now, or before it was killed."""
    repeated: int
    """Events whose id was already stored, with the same content."""
    changed: tuple[RejectedRecord, ...]
    """Events whose id was already stored, with other content: the stored one stays, these go to quarantine."""


def append(folder: Path, events: Iterable[FeedbackEvent], round: int) -> AppendResult:
    """Store the events that are not stored yet as the next part of a round.

    Repeated after a kill at any point, it leaves the same files with the same bytes.
    """
    ids_of_round = _ids(parts(folder, round))
    ids_before = _ids(part for part in parts(folder) if _round_of(part) != round)
    own: dict[str, FeedbackEvent] = {}
    repeated: list[FeedbackEvent] = []
    for event in events:
        if event.feedback_id in ids_before or event.feedback_id in own:
            repeated.append(event)
        else:
            own[event.feedback_id] = event.model_copy(update={"round": round})
    resumed = [event for event in own.values() if event.feedback_id in ids_of_round]
    first = own | with_ids(folder, {event.feedback_id for event in (*repeated, *resumed)})
    changed_own, changed = _changed(resumed, first), _changed(repeated, first)
    if fresh := [event for event in own.values() if event.feedback_id not in ids_of_round]:
        _write_part(folder, to_table(fresh), round)
    quarantine(folder, (*changed_own, *changed), round)
    return AppendResult(len(own) - len(changed_own), len(repeated) - len(changed), (*changed_own, *changed))


def read(folder: Path, rounds: Container[int] | None = None) -> pa.Table:
    """All events, in the order of their ingestion, with the columns of `arrow.SCHEMA`; empty without a folder.

    With `rounds`, only the events that one of them ingested.
    """
    selected = (part for part in parts(folder) if rounds is None or _round_of(part) in rounds)
    tables = [pq.read_table(part, schema=SCHEMA) for part in selected]
    return pa.concat_tables([SCHEMA.empty_table(), *tables])


def events(folder: Path, rounds: Container[int] | None = None) -> list[FeedbackEvent]:
    """All events, or those that one of `rounds` ingested, in the order of their ingestion."""
    return from_table(read(folder, rounds))


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


def digest(folder: Path) -> str:
    """SHA-256 (hex) of the stored events. It depends neither on the time of ingestion nor on how parts divide them."""
    rows = read(folder).drop_columns(["ingested_at"]).sort_by("feedback_id").combine_chunks()
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, rows.schema) as writer:
        writer.write_table(rows)
    return hashlib.sha256(stream.getvalue()).hexdigest()


def groups(folder: Path) -> list[GroupedPrompt]:
    """The distinct prompts of all events, with their groups, in the order of their ingestion."""
    columns = read(folder).select(["prompt_id", "prompt_group", "prompt"])
    first: dict[str, GroupedPrompt] = {}
    for prompt_id, group, prompt in zip(*(column.to_pylist() for column in columns.columns), strict=True):
        if prompt_id not in first:
            turns = tuple(Message.model_validate(turn) for turn in prompt)
            first[prompt_id] = GroupedPrompt(prompt_id, group, turns)
    return list(first.values())


def prompts(folder: Path, count: int, seed: int) -> list[tuple[Message, ...]]:
    """Up to `count` distinct prompts of the stored events, drawn at random by `seed`."""
    pool = [grouped.prompt for grouped in groups(folder)]
    return random.Random(seed).sample(pool, min(count, len(pool)))


def parts(folder: Path, round: int | None = None) -> list[Path]:
    """The parts, or those of one round, by round, then by number: `part-00003-10` comes after `part-00003-9`."""
    files = folder.glob("part-*-*.parquet" if round is None else f"part-{round:05d}-*.parquet")
    return sorted(files, key=lambda part: [int(number) for number in part.stem.split("-")[1:]])


def quarantine(folder: Path, rejected: Iterable[RejectedRecord], round: int) -> int:
    """Add rejected records to `quarantine/round-<n>.jsonl`; returns how many of them no round had in quarantine yet.

    A record is recognised even if its reason is worded differently than before.
    """
    known = {_identity(record) for record in rejections(folder)}
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


def _identity(record: RejectedRecord) -> tuple[str, str, str]:
    return record.source, record.where, record.record


def _round_of(part: Path) -> int:
    return int(part.stem.split("-")[1])


def _ids(files: Iterable[Path]) -> set[str]:
    columns = (pq.read_table(part, columns=["feedback_id"])["feedback_id"] for part in files)
    return {feedback_id for column in columns for feedback_id in column.to_pylist()}


def _selected(part: Path, ids: Set[str]) -> list[FeedbackEvent]:
    column = pq.read_table(part, columns=["feedback_id"])["feedback_id"]
    mask = pc.is_in(column, value_set=pa.array(sorted(ids), pa.string()))
    return from_table(pq.read_table(part, schema=SCHEMA).filter(mask)) if pc.any(mask).as_py() else []


def _write_part(folder: Path, table: pa.Table, round: int) -> None:
    number = len(parts(folder, round))
    with replacing(folder / f"part-{round:05d}-{number}.parquet") as draft:
        pq.write_table(table, draft)


def _changed(repeated: Iterable[FeedbackEvent], first: dict[str, FeedbackEvent]) -> tuple[RejectedRecord, ...]:
    """The events whose content differs from that of the first event with the same id."""
    return tuple(identity.changed(event) for event in repeated if _differs(event, first[event.feedback_id]))


def _differs(event: FeedbackEvent, first: FeedbackEvent) -> bool:
    return identity.content(event) != identity.content(first)
