"""Drift of the answers from the champion's, and of the reward that the champion's answers get."""

from collections.abc import Sequence
from math import hypot
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import fisher_exact, norm

from core.metrics import Metric
from evaluation.drift import Array, DriftCheck, DriftFindings, by_permutation, histograms
from evaluation.drift.limits import LimitSettings
from evaluation.evals.diversity import distinct_ratio
from evaluation.statistics.distances import kolmogorov_smirnov, psi, wasserstein
from evaluation.statistics.intervals import Interval, difference
from evaluation.statistics.wording import percent

LENGTH_PSI = Metric(
    "length_psi",
    "drift",
    "index",
    "near 0",
    "Population stability index of the answers' lengths in tokens.",
)
LENGTH_WASSERSTEIN = Metric(
    "length_wasserstein",
    "drift",
    "standard deviations",
    "near 0",
    "Wasserstein-1 distance of the answers' lengths; p by the Kolmogorov-Smirnov test.",
    ends=(
        "_p",
        "_alarm",
    ),
)
SATURATION = Metric(
    "saturation",
    "drift",
    "share",
    "small",
    "Answers with a reward above the 99th percentile of the champion's. If it is large while people see no gain, "
    "the policy exploits errors of the reward model.",
    ends=(
        "_p",
        "_alarm",
    ),
)
KL_RISE = Metric(
    "kl_rise",
    "drift",
    "nats per answer",
    "near 0",
    "KL to the SFT model minus the champion's.",
    ends=(
        "_p",
        "_alarm",
    ),
)
DIVERSITY_LOSS = Metric(
    "diversity_loss",
    "drift",
    "share",
    "near 0",
    "1 minus the ratio of distinct word pairs to the champion's, in samples of equal size, so that length has no "
    "effect. If it is large, many prompts get the same answer.",
    ends=(
        "_p",
        "_alarm",
    ),
)
JUDGE_GAP = Metric(
    "judge_gap",
    "drift",
    "share",
    "near 0",
    "The judge model's win rate minus that of fresh votes. If it is large, the policy pleases models more than people. "
    "Omitted without fresh votes.",
    ends=(
        "_p",
        "_alarm",
    ),
    rare=True,
)
REWARD_PSI = Metric(
    "reward_psi",
    "drift",
    "index",
    "near 0",
    "Population stability index of the rewards. Omitted if no earlier round scored the champion's answers.",
    rare=True,
)
REWARD_WASSERSTEIN = Metric(
    "reward_wasserstein",
    "drift",
    "standard deviations",
    "near 0",
    "Wasserstein-1 distance of the rewards. If it is large, rewards of different rounds are not comparable.",
    ends=(
        "_p",
        "_alarm",
    ),
    rare=True,
)

TOP = 0.99
"""Quantile of the champion's rewards above which a reward counts as saturated."""

SWAPS = 200
"""Permutations that estimate mean and standard deviation of the diversity loss under no drift."""


class AnswerSample(NamedTuple):
    """One model's answers; both models get the same prompts, one per prompt group, so that rows are independent."""

    texts: Sequence[str]
    tokens: Array
    reward: Array
    """(n,) standard deviations"""
    kl: Array
    """(n,) nats per sequence from the SFT model"""


def drift(
    champion: AnswerSample, candidate: AnswerSample, limits: LimitSettings, bins: int, seed: int
) -> DriftFindings:
    """Compare the candidate with the champion on the same prompts, scored by the same reward model."""
    checks = (
        _length(champion, candidate, limits),
        _saturation(champion, candidate, limits),
        _kl(champion, candidate, limits, seed),
        _diversity(champion, candidate, limits, seed),
    )
    panels = (
        histograms("Answers: length", "tokens", champion.tokens, candidate.tokens),
        histograms("Answers: reward", "standard deviations", champion.reward, candidate.reward),
        histograms("Answers: KL to the SFT model", "nats", champion.kl, candidate.kl),
    )
    return DriftFindings(checks, {LENGTH_PSI: psi(champion.tokens, candidate.tokens, bins)}, panels)


def yardstick(before: Array, now: Array, limits: LimitSettings, bins: int) -> DriftFindings:
    """Compare the rewards of the champion's answers by this and the previous reward model: only the reward can move."""
    check = DriftCheck(
        REWARD_WASSERSTEIN,
        wasserstein(before, now),
        limits.reward_wasserstein,
        kolmogorov_smirnov(before, now).p_value,
        f"the reward of the champion's answers is {now.mean():+.2f}, {before.mean():+.2f} by the previous reward model",
        "new votes: preferences or annotators may have changed; KL budgets set for the old reward may no longer fit",
    )
    panel = histograms("Reward of the champion's answers", "standard deviations", before, now)
    return DriftFindings((check,), {REWARD_PSI: psi(before, now, bins)}, (panel,))


def judge_gap(judge: Interval, votes: Interval, limits: LimitSettings) -> DriftFindings:
    """Compare the judge model's win rate with that of fresh votes (normal approximation to both intervals)."""
    gap = difference(judge, votes)
    spread = hypot(judge.high - judge.low, votes.high - votes.low) / (2 * norm.ppf(0.975))
    check = DriftCheck(
        JUDGE_GAP,
        gap.estimate,
        limits.judge_gap,
        float(norm.sf(gap.estimate / spread)) if spread > 0 else float(gap.estimate <= 0),
        f"the judge model prefers {percent(judge.estimate)} of the answers, people {percent(votes.estimate)}",
        "answers that the judge prefers and people do not: the policy may please models but not people",
    )
    return DriftFindings((check,))


def _length(champion: AnswerSample, candidate: AnswerSample, limits: LimitSettings) -> DriftCheck:
    old, new = champion.tokens, candidate.tokens
    return DriftCheck(
        LENGTH_WASSERSTEIN,
        wasserstein(old, new),
        limits.length_wasserstein,
        kolmogorov_smirnov(old, new).p_value,
        f"answers have {new.mean():.1f} tokens, the champion's {old.mean():.1f}",
        "long and short answers (data/samples): length is the easiest weakness to exploit",
    )


def _saturation(champion: AnswerSample, candidate: AnswerSample, limits: LimitSettings) -> DriftCheck:
    top = np.quantile(champion.reward, TOP)
    ours, theirs = int((candidate.reward > top).sum()), int((champion.reward > top).sum())
    n = len(champion.reward)
    return DriftCheck(
        SATURATION,
        ours / n,
        limits.saturation,
        float(fisher_exact([[ours, n - ours], [theirs, n - theirs]], "greater").pvalue),
        f"{percent(ours / n)} of answers get a reward above the {100 * TOP:.0f}th percentile of the champion's",
        "the answers with the highest rewards: the reward model may be wrong there (compare evaluate/win_rate)",
    )


def _kl(champion: AnswerSample, candidate: AnswerSample, limits: LimitSettings, seed: int) -> DriftCheck:
    old, new = champion.kl, candidate.kl
    return DriftCheck(
        KL_RISE,
        float(new.mean() - old.mean()),
        limits.kl_rise,
        by_permutation(new, old, seed, "greater", pairs=True),
        f"answers are {new.mean():.1f} nats from the SFT model, the champion's {old.mean():.1f}",
        "policy/objective/kl during training; a higher policy.kl.coefficient keeps the policy closer",
    )


def _diversity(champion: AnswerSample, candidate: AnswerSample, limits: LimitSettings, seed: int) -> DriftCheck:
    ours, theirs = _word_pairs(candidate.texts, champion.texts)
    loss = 1 - distinct_ratio(np.ravel(ours.sum(axis=0)), np.ravel(theirs.sum(axis=0)))
    return DriftCheck(
        DIVERSITY_LOSS,
        loss,
        limits.diversity_loss,
        _p_of_loss(loss, ours, theirs, seed),
        f"answers use {percent(1 - loss)} of the champion's distinct word pairs, in samples of equal size",
        "answers to different prompts side by side: the policy may repeat one answer",
    )


def _p_of_loss(loss: float, ours: Any, theirs: Any, seed: int) -> float:
    """P-value of the loss, by swapping the two models' answers within prompts.

    The tail is that of a normal distribution with the mean and standard deviation of the permuted losses: word counts
    over hundreds of answers are nearly normal, and a few hundred permutations estimate both well.
    """
    keep = np.random.default_rng(seed).integers(2, size=(SWAPS, ours.shape[0])).astype(np.float32)
    swap = 1 - keep
    mixed = zip(keep @ ours + swap @ theirs, keep @ theirs + swap @ ours, strict=True)
    losses = np.array([1 - distinct_ratio(first, second) for first, second in mixed])
    return float(norm.sf((loss - losses.mean()) / losses.std())) if losses.std() > 0 else 1.0


def _word_pairs(ours: Sequence[str], theirs: Sequence[str]) -> tuple[Any, Any]:
    """Two matrices (texts, word pairs): how often each pair of neighbouring words occurs in each text."""
    from sklearn.feature_extraction.text import CountVectorizer

    vectors = CountVectorizer(ngram_range=(2, 2), token_pattern=r"\S+", dtype=np.float32)
    try:
        pairs = vectors.fit_transform([*ours, *theirs])
    except ValueError:  # scikit-learn raises this if no text has two words
        pairs = csr_array((len(ours) + len(theirs), 1), dtype=np.float32)
    return pairs[: len(ours)], pairs[len(ours) :]
