"""A part of the feedback that is small enough to look at: of each of some prompt groups, drawn at random."""

from collections.abc import Container, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feedback import store
from feedback.arrow import from_table
from feedback.schema import FeedbackEvent
from feedback.votes import CHOICES


def each(folder: Path, rounds: Container[int], count: int, seed: int) -> list[FeedbackEvent]:
    """One event of each of up to `count` groups, of those that some rounds took in."""
    table = _active(store.read(folder, rounds))
    rows = np.random.default_rng(seed).permutation(table.num_rows)
    _, first = np.unique(_groups(table)[rows], return_index=True)
    return from_table(table.take(rows[np.sort(first)[:count]]))


def prompts(folder: Path, rounds: Container[int], count: int, seed: int) -> list[str]:
    """What people asked last in these events."""
    return [event.prompt[-1].content for event in each(folder, rounds, count, seed)]


def votes(folder: Path, rounds: Container[int], count: int, seed: int) -> list[FeedbackEvent]:
    """All comparisons and rankings of up to `count` groups, of the events that some rounds took in."""
    table = _active(store.read(folder, rounds))
    table = table.filter(pc.is_in(table["kind"].cast(pa.string()), pa.array(CHOICES)))
    names = np.unique(_groups(table))
    drawn = np.random.default_rng(seed).permutation(names)[:count]
    return from_table(table.filter(pa.array(np.isin(_groups(table), drawn), pa.bool_())))


def one_each(events: Sequence[FeedbackEvent], count: int, seed: int) -> list[str]:
    """The same as `prompts`, of events at hand."""
    mixed = [events[row] for row in np.random.default_rng(seed).permutation(len(events))]
    first = {event.prompt_group: event.prompt[-1].content for event in reversed(mixed)}
    return list(first.values())[:count]


def _active(table: pa.Table) -> pa.Table:
    return table.filter(pc.equal(table["status"].cast(pa.string()), "active"))


def _groups(table: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    found: np.ndarray[tuple[int], np.dtype[np.object_]] = np.array(table["prompt_group"].to_pylist(), dtype=object)
    return found
