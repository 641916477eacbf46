"""Rounds in which nothing has drifted, and ways to plant a drift of a known size in them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from evaluation.drift import Array, DriftFindings, answers, labels, stream
from evaluation.drift.answers import AnswerSample
from evaluation.drift.labels import ScoredPairs
from evaluation.drift.limits import LimitSettings
from evaluation.drift.stream import FeedbackStream
from evaluation.statistics.intervals import Interval, wilson

LIMITS = LimitSettings()
WORDS = [f"word{number}" for number in range(40)]


class Look(NamedTuple):
    """Everything that one look compares, but for the prompts."""

    streams: tuple[FeedbackStream, FeedbackStream]
    labels: tuple[ScoredPairs, ScoredPairs]
    spoken: tuple[AnswerSample, AnswerSample]
    rewards: tuple[Array, Array]
    """of the champion's answers, by the last reward model and by this one"""
    judge: Interval
    votes: Interval


def quiet(seed: int, n: int = 300) -> Look:
    """Both sides of everything are drawn alike, `n` rows each."""
    rng = np.random.default_rng(seed)
    return Look(
        streams=(people(rng, n), people(rng, n)),
        labels=(pairs(rng, n), pairs(rng, n)),
        spoken=(speaker(rng, n), speaker(rng, n)),
        rewards=(rng.normal(size=n), rng.normal(size=n)),
        judge=wilson(rng.binomial(n, 0.6), n),
        votes=wilson(rng.binomial(n, 0.6), n),
    )


def compared(look: Look, seed: int = 0) -> DriftFindings:
    """What the step would find."""
    return (
        stream.drift(*look.streams, LIMITS, seed)
        | labels.drift(*look.labels, LIMITS, seed)
        | answers.drift(*look.spoken, LIMITS, 10, seed)
        | answers.yardstick(*look.rewards, LIMITS, 10)
        | answers.judge_gap(look.judge, look.votes, LIMITS)
    )


def people(
    rng: np.random.Generator, n: int, ties: float = 0.1, seconds: float = 8.0, agree: float = 0.8
) -> FeedbackStream:
    """Votes on `n` prompts."""
    return FeedbackStream(
        ties=rng.binomial(1, ties, n).astype(float),
        seconds=seconds * np.exp(0.5 * rng.normal(size=n)),
        agreement=rng.binomial(1, agree, n).astype(float),
    )


def pairs(rng: np.random.Generator, n: int, flipped: float = 0.0) -> ScoredPairs:
    """Votes that a reward model predicts as well as it believes; a share of them is turned round."""
    margins = rng.normal(0, 2, n)
    prefers = rng.random(n) < expit(margins)
    return ScoredPairs(margins, (prefers ^ (rng.random(n) < flipped)).astype(float))


def speaker(
    rng: np.random.Generator,
    n: int,
    longer: float = 0.0,
    reward: float = 0.0,
    kl: float = 0.0,
    same: float = 0.0,
    words: int = 8,
) -> AnswerSample:
    """Answers of some words to `n` prompts; `same` is the share of them that say one and the same thing."""
    texts = [
        " ".join(rng.choice(WORDS, words)) if rng.random() >= same else "please ask again any time" for _ in range(n)
    ]
    return AnswerSample(
        texts, np.round(rng.normal(20 + longer, 4, n)), rng.normal(reward, 1, n), rng.normal(2 + kl, 2, n)
    )


def prompts(rng: np.random.Generator, n: int, other: float = 0.0, longer: int = 0) -> Sequence[str]:
    """Questions; a share of them is about another thing, and all are longer by some words."""
    things, others = ["kettle", "lamp", "sofa", "radio"], ["passport", "flight", "visa"]
    asked = []
    for _ in range(n):
        thing = rng.choice(others if rng.random() < other else things)
        asked.append(
            f"can I {rng.choice(['return', 'swap', 'repair'])} the {thing}" + " please" * (longer + rng.integers(6))
        )
    return asked
