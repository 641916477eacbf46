"""Feedback of annotators who asked to be forgotten: what a round leaves out.

They are named by the SHA-256 of their id, so that the list itself does not have the id.
"""

import hashlib
import json
import random
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from feedback import store
from feedback.schema import FeedbackEvent, Message, RejectedRecord
from feedback.stored import AnyEvent


def pseudonym(annotator: str) -> str:
    """SHA-256 (hex) of an annotator's id. Whoever guesses the id can compute it."""
    return hashlib.sha256(annotator.encode()).hexdigest()


def kept(events: Iterable[AnyEvent], forgotten: Collection[str]) -> Iterator[AnyEvent]:
    """The events, without those of forgotten annotators, in their order."""
    known: dict[str, bool] = {}
    for event in events:
        name = event.annotator_id
        if not forgotten or not known.setdefault(name, pseudonym(name) in forgotten):
            yield event


def is_kept(event: FeedbackEvent, forgotten: Collection[str]) -> bool:
    """Whether an event is by another annotator than the forgotten ones."""
    return pseudonym(event.annotator_id) not in forgotten


def kept_rows(table: pa.Table, forgotten: Collection[str]) -> pa.Table:
    """The same for a table of events."""
    if not forgotten:
        return table
    gone = _forgotten(pc.unique(table["annotator_id"]).to_pylist(), forgotten)
    return table.filter(pc.invert(pc.is_in(table["annotator_id"], pa.array(sorted(gone), pa.string()))))


def kept_records(
    records: Iterable[FeedbackEvent | RejectedRecord], forgotten: Collection[str]
) -> Iterator[FeedbackEvent | RejectedRecord]:
    """The same with records that cannot be used: those that have the id of a forgotten annotator are left out."""
    for record in records:
        if not forgotten or _names_nobody(record, forgotten):
            yield record


def prompts(folder: Path, count: int, seed: int, forgotten: Collection[str]) -> list[tuple[Message, ...]]:
    """Up to `count` distinct prompts of the stored events of all other annotators, drawn at random by `seed`."""
    if not forgotten:
        return store.prompts(folder, count, seed)
    first = {event.prompt_id: event.prompt for event in reversed([*kept(store.events(folder), forgotten)])}
    pool = [first[name] for name in sorted(first)]
    return random.Random(seed).sample(pool, min(count, len(pool)))


def names_any(record: str, forgotten: Collection[str]) -> bool:
    """Whether a raw record has the id of a forgotten annotator as a value, in a field of any name."""
    return bool(_forgotten(texts(record), forgotten))


def texts(record: str) -> set[str]:
    """All texts in a raw record, at any depth, JSON inside JSON included; the record itself if it is not JSON."""
    try:
        return set(_texts(json.loads(record, object_pairs_hook=_both)))
    except (ValueError, RecursionError):
        return {record}


def _names_nobody(record: FeedbackEvent | RejectedRecord, forgotten: Collection[str]) -> bool:
    """Whether no forgotten annotator made the record, or is named in one that cannot be used."""
    if isinstance(record, FeedbackEvent):
        return is_kept(record, forgotten)
    return not names_any(record.record, forgotten)


def _forgotten(names: Iterable[str], forgotten: Collection[str]) -> set[str]:
    return {name for name in names if pseudonym(name) in forgotten}


def _both(pairs: list[tuple[str, Any]]) -> list[Any]:
    """Names and values of an object; a rejected record may have a key twice, with somebody in the first value."""
    return [part for pair in pairs for part in pair]


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value
        if value.startswith(("{", "[")):
            yield from texts(value) - {value}
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value)  # an id may be a whole number
