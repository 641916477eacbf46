"""Simulated rounds without drift, and ways to add drift of a known size."""

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


class Comparison(NamedTuple):
    """The data of all comparisons except those of prompts."""

    streams: tuple[FeedbackStream, FeedbackStream]
    labels: tuple[ScoredPairs, ScoredPairs]
    answers: tuple[AnswerSample, AnswerSample]
    rewards: tuple[Array, Array]
    """of the champion's answers, by the previous reward model and by this one"""
    judge: Interval
    votes: Interval


def quiet(seed: int, n: int = 300) -> Comparison:
    """Both sides are drawn from the same distributions, `n` rows each."""
    rng = np.random.default_rng(seed)
    return Comparison(
        streams=(people(rng, n), people(rng, n)),
        labels=(pairs(rng, n), pairs(rng, n)),
        answers=(sampled(rng, n), sampled(rng, n)),
        rewards=(rng.normal(size=n), rng.normal(size=n)),
        judge=wilson(rng.binomial(n, 0.6), n),
        votes=wilson(rng.binomial(n, 0.6), n),
    )


def compared(comparison: Comparison, seed: int = 0) -> DriftFindings:
    """The findings of the step."""
    return (
        stream.drift(*comparison.streams, LIMITS, seed)
        | labels.drift(*comparison.labels, LIMITS, seed)
        | answers.drift(*comparison.answers, LIMITS, 10, seed)
        | answers.yardstick(*comparison.rewards, LIMITS, 10)
        | answers.judge_gap(comparison.judge, comparison.votes, LIMITS)
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
    """Votes on which a reward model is calibrated; a share `flipped` of them is inverted."""
    margins = rng.normal(0, 2, n)
    prefers = rng.random(n) < expit(margins)
    return ScoredPairs(margins, (prefers ^ (rng.random(n) < flipped)).astype(float))


def sampled(
    rng: np.random.Generator,
    n: int,
    longer: float = 0.0,
    reward: float = 0.0,
    kl: float = 0.0,
    same: float = 0.0,
    words: int = 8,
) -> AnswerSample:
    """Answers of `words` words to `n` prompts; `same` is the share of identical answers."""
    texts = [
        " ".join(rng.choice(WORDS, words)) if rng.random() >= same else "please ask again any time" for _ in range(n)
    ]
    return AnswerSample(
        texts, np.round(rng.normal(20 + longer, 4, n)), rng.normal(reward, 1, n), rng.normal(2 + kl, 2, n)
    )


def prompts(rng: np.random.Generator, n: int, other: float = 0.0, longer: int = 0) -> Sequence[str]:
    """Questions; a share `other` of them is about another topic, and all are longer by `longer` words."""
    things, others = ["kettle", "lamp", "sofa", "radio"], ["passport", "flight", "visa"]
    questions = []
    for _ in range(n):
        item = rng.choice(others if rng.random() < other else things)
        questions.append(
            f"can I {rng.choice(['return', 'swap', 'repair'])} the {item}" + " please" * (longer + rng.integers(6))
        )
    return questions
