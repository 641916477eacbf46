"""Random samples of the feedback, drawn by prompt group and small enough to analyse."""

from collections.abc import Container, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from feedback import store
from feedback.arrow import from_table
from feedback.schema import FeedbackEvent
from feedback.votes import CHOICES


def events(folder: Path, rounds: Container[int], count: int, seed: int) -> list[FeedbackEvent]:
    """One event of each of up to `count` prompt groups, from the events that `rounds` ingested."""
    table = store.read(folder, rounds)
    return from_table(table.take(_drawn(table, count, seed)))


def prompts(folder: Path, rounds: Container[int], count: int, seed: int) -> list[str]:
    """The last turn of the prompt of each event that `events` would draw."""
    table = store.read(folder, rounds).select(["prompt_group", "prompt", "status"])
    return [turns[-1]["content"] for turns in table["prompt"].take(_drawn(table, count, seed)).to_pylist()]


def votes(folder: Path, rounds: Container[int], count: int, seed: int) -> list[FeedbackEvent]:
    """All comparisons and rankings of up to `count` prompt groups, from the events that `rounds` ingested."""
    table = _active(store.read(folder, rounds))
    table = table.filter(pc.is_in(table["kind"].cast(pa.string()), pa.array(CHOICES)))
    names = np.unique(_groups(table))
    drawn = np.random.default_rng(seed).permutation(names)[:count]
    return from_table(table.filter(pa.array(np.isin(_groups(table), drawn), pa.bool_())))


def prompts_of(events: Sequence[FeedbackEvent], count: int, seed: int) -> list[str]:
    """The same as `prompts`, drawn from these events instead of the store."""
    shuffled = [events[row] for row in np.random.default_rng(seed).permutation(len(events))]
    first = {event.prompt_group: event.prompt[-1].content for event in reversed(shuffled)}
    return list(first.values())[:count]


def _drawn(table: pa.Table, count: int, seed: int) -> npt.NDArray[np.int64]:
    """Row numbers of active events, one of each of up to `count` groups."""
    active = np.flatnonzero(_is_active(table))
    shuffled = active[np.random.default_rng(seed).permutation(len(active))]
    _, first = np.unique(_groups(table)[shuffled], return_index=True)
    rows: npt.NDArray[np.int64] = shuffled[np.sort(first)[:count]]
    return rows


def _active(table: pa.Table) -> pa.Table:
    return table.filter(_is_active(table))


def _is_active(table: pa.Table) -> pa.ChunkedArray:
    return pc.equal(table["status"].cast(pa.string()), "active")


def _groups(table: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    groups: np.ndarray[tuple[int], np.dtype[np.object_]] = np.array(table["prompt_group"].to_pylist(), dtype=object)
    return groups
