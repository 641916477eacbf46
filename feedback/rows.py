"""The rows that models are trained on, and their columns on disk."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from feedback.arrow import MESSAGES
from feedback.split import SplitName

Turns = list[dict[str, str]]
"""A prompt as a list of `{role, content}`, oldest turn first."""


class PreferenceRow(NamedTuple):
    """All votes on one pair of answers under one criterion."""

    pair_id: str
    group: str
    split: SplitName
    prompt: Turns
    chosen: str
    rejected: str
    p_chosen: float
    """Weighted share of the votes for `chosen`, .5 to 1; a tied vote counts half for each answer."""
    weight: float
    """Sum of the votes' weights: 1 for a comparison, 1/n for each of the n pairs of a ranking."""
    n_votes: int
    criterion: str
    source: str
    """The source of the first vote."""
    round: int
    """The round that ingested the first vote."""
    feedback_ids: list[str]
    strength: float | None = None
    """How strong the preference for `chosen` is, 0 to 1; None if no vote states it."""
    kinds: Sequence[str] = ()
    """Kinds of the events that the votes come from. `correction` marks a pair of an edited and an original answer: it
    may teach that text by people is better."""


class VoteRow(NamedTuple):
    """One person's last vote on one pair of answers."""

    pair_id: str
    group: str
    split: SplitName
    annotator: str
    chosen: float
    """1 for the answer that is `chosen` in the preference row, 0 for the other, .5 for a tie."""
    round: int
    """The round that ingested the vote."""


class DemonstrationRow(NamedTuple):
    """One answer to train on by supervised fine-tuning."""

    group: str
    split: SplitName
    prompt: Turns
    completion: str
    weight: float
    """Number of people who gave this answer."""
    feedback_ids: list[str]


PREFERENCES = pa.schema(
    [
        ("pair_id", pa.string()),
        ("group", pa.string()),
        ("split", pa.string()),
        ("prompt", MESSAGES),
        ("chosen", pa.string()),
        ("rejected", pa.string()),
        ("p_chosen", pa.float64()),
        ("weight", pa.float64()),
        ("n_votes", pa.int32()),
        ("criterion", pa.string()),
        ("source", pa.string()),
        ("round", pa.int32()),
        ("feedback_ids", pa.list_(pa.string())),
        ("strength", pa.float64()),
        ("kinds", pa.list_(pa.string())),
    ]
)

VOTES = pa.schema(
    [
        ("pair_id", pa.string()),
        ("group", pa.string()),
        ("split", pa.string()),
        ("annotator", pa.string()),
        ("chosen", pa.float64()),
        ("round", pa.int64()),
    ]
)

DEMONSTRATIONS = pa.schema(
    [
        ("group", pa.string()),
        ("split", pa.string()),
        ("prompt", MESSAGES),
        ("completion", pa.string()),
        ("weight", pa.float64()),
        ("feedback_ids", pa.list_(pa.string())),
    ]
)


def table(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    """Rows as a table; their fields are the columns of the schema, in order."""
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
