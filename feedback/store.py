"""Feedback on disk: append-only Parquet parts of canonical events, and a quarantine beside them.

    feedback/part-00003-0.parquet         events that round 3 took in
    feedback/quarantine/round-00003.jsonl records that it could not use, with reasons

Nothing here removes or rewrites a part. Repeated opinions under different ids are kept: `preferences` counts each once.
"""

import hashlib
import json
import random
from collections.abc import Container, Iterable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from core.files import replacing, write_text
from feedback.arrow import SCHEMA, from_table, to_table
from feedback.schema import FeedbackEvent, GroupedPrompt, Message, RejectedRecord

# What may differ between two readings of one record: when, from which file and among what others it was read.
_CIRCUMSTANCES = {"ingested_at", "round", "prompt_group", "source", "source_sha256"}


class AppendResult(NamedTuple):
    """What became of the events that were to be appended; the same where it is repeated after a kill."""

    new: int
    """Events that the round took in: now, or before it was killed."""
    repeated: int
    """Events whose id was there already, with the same content."""
    changed: tuple[RejectedRecord, ...]
    """Events whose id was there already, with other content: the first stays, they are in quarantine."""


def append(folder: Path, events: Iterable[FeedbackEvent], round: int) -> AppendResult:
    """Store the events that are not stored yet as the next part of a round.

    Repeated after a kill anywhere, it ends in the same files with the same bytes.
    """
    taken = _ids(parts(folder, round))
    stored = _ids(part for part in parts(folder) if _taken_in_by(part) != round)
    own: dict[str, FeedbackEvent] = {}
    again: list[FeedbackEvent] = []
    for event in events:
        if event.feedback_id in stored or event.feedback_id in own:
            again.append(event)
        else:
            own[event.feedback_id] = event.model_copy(update={"round": round})
    before = [event for event in own.values() if event.feedback_id in taken]
    first = own | _stored(folder, {event.feedback_id for event in (*again, *before)})
    other, changed = _changed(before, first), _changed(again, first)
    if fresh := [event for event in own.values() if event.feedback_id not in taken]:
        _write_part(folder, to_table(fresh), round)
    quarantine(folder, (*other, *changed), round)
    return AppendResult(len(own) - len(other), len(again) - len(changed), (*other, *changed))


def read(folder: Path, rounds: Container[int] | None = None) -> pa.Table:
    """All events, in the order they were taken in, with the columns of `arrow.SCHEMA`. No folder, no events.

    Given `rounds`, those that were taken in by one of them.
    """
    wanted = (part for part in parts(folder) if rounds is None or _taken_in_by(part) in rounds)
    tables = [pq.read_table(part, schema=SCHEMA) for part in wanted]
    return pa.concat_tables([SCHEMA.empty_table(), *tables])


def events(folder: Path, rounds: Container[int] | None = None) -> list[FeedbackEvent]:
    """All events, or those that one of `rounds` took in, in the order they were taken in."""
    return from_table(read(folder, rounds))


def ids(folder: Path) -> set[str]:
    """The ids of all events."""
    return _ids(parts(folder))


def taken_in(folder: Path, round: int) -> int:
    """How many events a round took in."""
    return sum(pq.read_metadata(part).num_rows for part in parts(folder, round))


def digest(folder: Path) -> str:
    """SHA-256 (hex) of what is stored: neither the time of ingestion nor the order or number of the parts matters."""
    rows = read(folder).drop_columns(["ingested_at"]).sort_by("feedback_id").combine_chunks()
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, rows.schema) as writer:
        writer.write_table(rows)
    return hashlib.sha256(stream.getvalue()).hexdigest()


def groups(folder: Path) -> list[GroupedPrompt]:
    """The prompts that feedback was given on, each once, with their groups, in the order they were taken in."""
    columns = read(folder).select(["prompt_id", "prompt_group", "prompt"])
    first: dict[str, GroupedPrompt] = {}
    for identity, group, prompt in zip(*(column.to_pylist() for column in columns.columns), strict=True):
        if identity not in first:
            turns = tuple(Message.model_validate(turn) for turn in prompt)
            first[identity] = GroupedPrompt(identity, group, turns)
    return list(first.values())


def prompts(folder: Path, count: int, seed: int) -> list[tuple[Message, ...]]:
    """Up to `count` different prompts that feedback was given on, drawn at random by `seed`."""
    pool = [known.prompt for known in groups(folder)]
    return random.Random(seed).sample(pool, min(count, len(pool)))


def parts(folder: Path, round: int | None = None) -> list[Path]:
    """The parts, or those of one round, by round, then by number: `part-00003-10` comes after `part-00003-9`."""
    found = folder.glob("part-*-*.parquet" if round is None else f"part-{round:05d}-*.parquet")
    return sorted(found, key=lambda part: [int(number) for number in part.stem.split("-")[1:]])


def quarantine(folder: Path, rejected: Iterable[RejectedRecord], round: int) -> int:
    """Keep records that cannot be used in `quarantine/round-<n>.jsonl`; returns how many were not there yet."""
    known = set(rejections(folder))
    new = [record for record in dict.fromkeys(rejected) if record not in known]
    if new:
        target = quarantined(folder) / f"round-{round:05d}.jsonl"
        before = target.read_text(encoding="utf-8") if target.exists() else ""
        write_text(target, before + "".join(record.model_dump_json() + "\n" for record in new))
    return len(new)


def quarantined(folder: Path) -> Path:
    """Where the records are that cannot be used."""
    return folder / "quarantine"


def rejections(folder: Path, round: int | None = None) -> list[RejectedRecord]:
    """The records that a round could not use; without a round those of all, oldest first."""
    files = sorted(quarantined(folder).glob("round-*.jsonl" if round is None else f"round-{round:05d}.jsonl"))
    return [RejectedRecord.model_validate_json(line) for file in files for line in file.read_bytes().splitlines()]


def _taken_in_by(part: Path) -> int:
    return int(part.stem.split("-")[1])


def _ids(files: Iterable[Path]) -> set[str]:
    return {
        identity
        for part in files
        for identity in pq.read_table(part, columns=["feedback_id"])["feedback_id"].to_pylist()
    }


def _write_part(folder: Path, table: pa.Table, round: int) -> None:
    number = len(parts(folder, round))
    with replacing(folder / f"part-{round:05d}-{number}.parquet") as draft:
        pq.write_table(table, draft)


def _stored(folder: Path, wanted: set[str]) -> dict[str, FeedbackEvent]:
    """The stored events with these ids."""
    if not wanted:
        return {}
    table = read(folder)
    mask = pa.array([identity in wanted for identity in table["feedback_id"].to_pylist()], pa.bool_())
    return {event.feedback_id: event for event in from_table(table.filter(mask))}


def _changed(again: Iterable[FeedbackEvent], first: dict[str, FeedbackEvent]) -> tuple[RejectedRecord, ...]:
    """Events that say something else than the first one of the same id."""
    return tuple(
        RejectedRecord(
            source=event.source,
            where=event.source_id,
            reason=f"feedback_id {event.feedback_id} is stored with other content; give a correction an id of its own "
            "and name the old one in `supersedes`",
            record=event.model_dump_json(exclude={"ingested_at", "round"}),  # else each round would keep it again
        )
        for event in again
        if _content(event) != _content(first[event.feedback_id])
    )


def _content(event: FeedbackEvent) -> str:
    return json.dumps(event.model_dump(mode="json", exclude=_CIRCUMSTANCES), sort_keys=True)
