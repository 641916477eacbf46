"""How the candidate's answers differ from the champion's, and whether the reward still means what it meant."""

from collections.abc import Sequence
from math import hypot
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import fisher_exact, norm

from core.metrics import Metric
from evaluation.drift import Array, DriftCheck, DriftFindings, by_permutation, histograms
from evaluation.drift.limits import LimitSettings
from evaluation.evals.diversity import kept
from evaluation.statistics.distances import kolmogorov_smirnov, psi, wasserstein
from evaluation.statistics.intervals import Interval, difference
from evaluation.statistics.wording import percent

LENGTH_PSI = Metric(
    "length_psi",
    "drift",
    "index",
    "near 0",
    "Stability index of the lengths in tokens.",
)
LENGTH_WASSERSTEIN = Metric(
    "length_wasserstein",
    "drift",
    "standard deviations",
    "near 0",
    "Wasserstein-1 distance of the same; p by the Kolmogorov-Smirnov test.",
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
    "Answers with a reward that 1 % of the champion's reach. Worry when it is large while people see no gain: "
    "the policy has found out what the reward model gets wrong.",
    ends=(
        "_p",
        "_alarm",
    ),
)
KL_RISE = Metric(
    "kl_rise",
    "drift",
    "nats an answer",
    "near 0",
    "KL to the SFT model less the champion's.",
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
    "Different word pairs that are gone, as a share of the champion's, in as many word pairs of either: "
    "length has no part in it. Worry: everybody gets the same answer.",
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
    "The judge model's win rate less that of fresh votes. Worry: the policy pleases models only. Left out "
    "without fresh votes.",
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
    "Stability index of the rewards. From the second improved round on.",
    rare=True,
)
REWARD_WASSERSTEIN = Metric(
    "reward_wasserstein",
    "drift",
    "standard deviations",
    "near 0",
    "Wasserstein-1 distance of the same. Worry: the reward no longer means what it meant.",
    ends=(
        "_p",
        "_alarm",
    ),
    rare=True,
)

TOP = 0.99
"""Quantile of the champion's rewards above which a reward is as good as it gets."""

SWAPS = 200
"""Permutations from which mean and spread of a loss of variety are estimated."""


class AnswerSample(NamedTuple):
    """One model's answers to the same prompts as another's; one prompt of a group, so that rows are independent."""

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
    """Compare rewards of the champion's answers with what the last reward model gave them: who moves is the reward."""
    check = DriftCheck(
        REWARD_WASSERSTEIN,
        wasserstein(before, now),
        limits.reward_wasserstein,
        kolmogorov_smirnov(before, now).p_value,
        f"the champion's answers get a reward of {now.mean():+.2f}, {before.mean():+.2f} from the last reward model",
        "new votes: taste or annotators may have changed; KL budgets set for the old reward may no longer fit",
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
        "answers that the judge prefers and people do not: the policy may please models only",
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
        "long and short answers (data/samples): length is the easiest thing to exploit",
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
        f"{percent(ours / n)} of answers get a reward that {percent(1 - TOP)} of the champion's reach",
        "the answers with the highest rewards: there the reward model may be wrong (evaluate/win_rate says)",
    )


def _kl(champion: AnswerSample, candidate: AnswerSample, limits: LimitSettings, seed: int) -> DriftCheck:
    old, new = champion.kl, candidate.kl
    return DriftCheck(
        KL_RISE,
        float(new.mean() - old.mean()),
        limits.kl_rise,
        by_permutation(new, old, seed, "greater", pairs=True),
        f"answers are {new.mean():.1f} nats from the SFT model, the champion's {old.mean():.1f}",
        "policy/objective/kl over the training; a higher policy.kl.coefficient keeps it nearer",
    )


def _diversity(champion: AnswerSample, candidate: AnswerSample, limits: LimitSettings, seed: int) -> DriftCheck:
    ours, theirs = _word_pairs(candidate.texts, champion.texts)
    lost = 1 - kept(np.ravel(ours.sum(axis=0)), np.ravel(theirs.sum(axis=0)))
    return DriftCheck(
        DIVERSITY_LOSS,
        lost,
        limits.diversity_loss,
        _p_of_loss(lost, ours, theirs, seed),
        f"answers use {percent(1 - lost)} of the champion's different word pairs, in as many word pairs of either",
        "answers to different prompts side by side: the policy may give everybody the same one",
    )


def _p_of_loss(lost: float, ours: Any, theirs: Any, seed: int) -> float:
    """How likely so large a loss is by chance: who said what is permuted within prompts.

    The tail is that of a normal distribution with the mean and spread of the permuted losses: counts of words in
    hundreds of answers are nearly normal, and a few hundred permutations give both well.
    """
    keep = np.random.default_rng(seed).integers(2, size=(SWAPS, ours.shape[0])).astype(np.float32)
    swap = 1 - keep
    mixed = zip(keep @ ours + swap @ theirs, keep @ theirs + swap @ ours, strict=True)
    losses = np.array([1 - kept(one, other) for one, other in mixed])
    return float(norm.sf((lost - losses.mean()) / losses.std())) if losses.std() > 0 else 1.0


def _word_pairs(ours: Sequence[str], theirs: Sequence[str]) -> tuple[Any, Any]:
    """Two matrices (texts, pairs): how often which pair of neighbouring words is in which text."""
    from sklearn.feature_extraction.text import CountVectorizer

    vectors = CountVectorizer(ngram_range=(2, 2), token_pattern=r"\S+", dtype=np.float32)
    try:
        said = vectors.fit_transform([*ours, *theirs])
    except ValueError:  # sklearn's word for: no text has two words
        said = csr_array((len(ours) + len(theirs), 1), dtype=np.float32)
    return said[: len(ours)], said[len(ours) :]
