"""The rows that models learn from, and their columns on disk."""

from typing import NamedTuple

import pyarrow as pa

from feedback.arrow import MESSAGES
from feedback.split import SplitName

Turns = list[dict[str, str]]
"""A prompt as `{role, content}`, up to the turn that was answered."""


class PreferenceRow(NamedTuple):
    """All votes on one pair of answers under one criterion."""

    pair_id: str
    group: str
    split: SplitName
    prompt: Turns
    chosen: str
    rejected: str
    p_chosen: float
    """Weighted share of the votes for `chosen`, ties half: from .5 (a tie, either way round) to 1."""
    weight: float
    """Sum of the votes' weights: a comparison weighs 1, a pair of a ranking of K weighs 1/C(K,2)."""
    n_votes: int
    criterion: str
    source: str
    """Of the first vote."""
    round: int
    """Of the first vote."""
    feedback_ids: list[str]


class VoteRow(NamedTuple):
    """One person's last word on one pair of answers."""

    pair_id: str
    group: str
    split: SplitName
    annotator: str
    chosen: float
    """1 for the answer that all votes together chose, 0 for the other, .5 for a tie."""
    round: int
    """The round that took it in."""


class DemonstrationRow(NamedTuple):
    """One answer to be imitated."""

    group: str
    split: SplitName
    prompt: Turns
    completion: str
    weight: float
    """How many people gave this answer."""
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
