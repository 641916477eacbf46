"""Drift of the votes: tie rate, time per item, and agreement between people."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from core.metrics import Metric
from evaluation.drift import Array, DriftCheck, DriftFindings, by_permutation, histograms
from evaluation.drift.limits import LimitSettings
from evaluation.statistics.wording import percent
from feedback.schema import FeedbackEvent
from feedback.votes import PairKey, Vote, chronological, last_votes, votes

TIE_RATE = Metric(
    "tie_rate",
    "drift",
    "share",
    "none",
    "New votes that prefer neither answer. This and the following metrics need a champion trained on votes.",
    rare=True,
)
TIE_RATE_SHIFT = Metric(
    "tie_rate_shift",
    "drift",
    "share",
    "near 0",
    "Absolute change of the tie rate. If it is large, answers may have become alike, or people tired.",
    ends=(
        "_p",
        "_alarm",
    ),
    rare=True,
)
ITEM_SECONDS = Metric(
    "item_seconds",
    "drift",
    "seconds",
    "none",
    "Geometric mean of the time that people take per item, if recorded.",
    rare=True,
)
ITEM_TIME_RATIO = Metric(
    "item_time_ratio",
    "drift",
    "ratio",
    "1",
    "Factor by which the time per item has changed, in the direction that is above 1.",
    ends=(
        "_p",
        "_alarm",
    ),
    rare=True,
)
AGREEMENT = Metric(
    "agreement",
    "drift",
    "share",
    "up",
    "Share of pairs of votes by different people on the same two answers that agree.",
    rare=True,
)
AGREEMENT_DROP = Metric(
    "agreement_drop",
    "drift",
    "share",
    "near 0",
    "Drop in agreement.",
    ends=(
        "_p",
        "_alarm",
    ),
    rare=True,
)

MIN_GROUPS = 20
"""Prompt groups needed on either side."""


class FeedbackStream(NamedTuple):
    """Means by prompt group, because votes on one prompt are correlated. Each array may be empty."""

    ties: Array
    """(groups,) share of votes that prefer neither answer"""
    seconds: Array
    """(groups,) geometric mean of the time per item in seconds; groups with recorded times only"""
    agreement: Array
    """(groups,) share of pairs of votes on the same two answers that agree; groups with several votes only"""


def stream(events: Iterable[FeedbackEvent], criterion: str) -> FeedbackStream:
    """Measure the votes of events under one criterion."""
    ordered = chronological(events)
    cast = last_votes(
        vote
        for event in ordered
        for vote in votes(event)
        if vote.pair.criterion == criterion and vote.share is not None
    )
    by_pair: dict[PairKey, list[Vote]] = {}
    for vote in cast:
        by_pair.setdefault(vote.pair, []).append(vote)
    return FeedbackStream(
        ties=_means((vote.event.prompt_group, float(vote.share == 0.5)) for vote in cast),
        seconds=np.exp(
            _means((e.prompt_group, np.log(max(e.duration_ms, 1) / 1000)) for e in ordered if e.duration_ms)
        ),
        agreement=_means(
            (first.event.prompt_group, float(first.share == second.share))
            for ballot in by_pair.values()
            for first, second in combinations(ballot, 2)
        ),
    )


def drift(before: FeedbackStream, now: FeedbackStream, limits: LimitSettings, seed: int) -> DriftFindings:
    """Compare new votes with old ones; comparisons with too few groups on either side are omitted."""
    parts = (_ties(before, now, limits, seed), _time(before, now, limits, seed), _agreement(before, now, limits, seed))
    return parts[0] | parts[1] | parts[2]


def _ties(before: FeedbackStream, now: FeedbackStream, limits: LimitSettings, seed: int) -> DriftFindings:
    if _too_few(before.ties, now.ties):
        return DriftFindings()
    old, new = before.ties.mean(), now.ties.mean()
    check = DriftCheck(
        TIE_RATE_SHIFT,
        abs(new - old),
        limits.tie_rate_shift,
        by_permutation(now.ties, before.ties, seed),
        f"{percent(new)} of votes prefer neither answer, {percent(old)} before",
        "the guideline and the pairs shown: answers may have become alike, or people tired",
    )
    return DriftFindings((check,), {TIE_RATE: float(new)})


def _time(before: FeedbackStream, now: FeedbackStream, limits: LimitSettings, seed: int) -> DriftFindings:
    if _too_few(before.seconds, now.seconds):
        return DriftFindings()
    old, new = np.log(before.seconds), np.log(now.seconds)
    check = DriftCheck(
        ITEM_TIME_RATIO,
        float(np.exp(abs(new.mean() - old.mean()))),
        limits.item_time_ratio,
        by_permutation(new, old, seed),
        f"people take {np.exp(new.mean()):.1f} s per item, {np.exp(old.mean()):.1f} s before",
        "who votes, and how: faster votes may be careless, slower ones may mean an unclear guideline",
        zero=1.0,
    )
    panel = histograms("Feedback: time per item", "seconds, log 10", old / np.log(10), new / np.log(10))
    return DriftFindings((check,), {ITEM_SECONDS: float(np.exp(new.mean()))}, (panel,))


def _agreement(before: FeedbackStream, now: FeedbackStream, limits: LimitSettings, seed: int) -> DriftFindings:
    if _too_few(before.agreement, now.agreement):
        return DriftFindings()
    old, new = before.agreement.mean(), now.agreement.mean()
    check = DriftCheck(
        AGREEMENT_DROP,
        float(old - new),
        limits.agreement_drop,
        by_permutation(before.agreement, now.agreement, seed, "greater"),
        f"people who judge the same pair agree {percent(new)} of the time, {percent(old)} before",
        "the pairs they disagree on, and who disagrees: the guideline may be unclear, or a new group votes differently",
    )
    return DriftFindings((check,), {AGREEMENT: float(new)})


def _too_few(before: Array, now: Array) -> bool:
    return min(len(before), len(now)) < MIN_GROUPS


def _means(values: Iterable[tuple[str, float]]) -> Array:
    """The mean of each group's values."""
    by_group: dict[str, list[float]] = {}
    for group, value in values:
        by_group.setdefault(group, []).append(value)
    return np.array([_mean(group) for group in by_group.values()], dtype=np.float64)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
