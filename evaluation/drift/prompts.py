"""Drift of the prompts: can a classifier tell new prompts from old ones, and did topics or lengths change?"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import chi2_contingency, rankdata

from core.metrics import Metric
from evaluation.drift import Array, DriftCheck, DriftFindings, by_permutation, histograms
from evaluation.drift.limits import LimitSettings
from evaluation.statistics.distances import counts, lengths, psi, stability, word_divergence
from evaluation.statistics.wording import percent

PROMPT_AUC = Metric(
    "prompt_auc",
    "drift",
    "share",
    ".5",
    "AUC of a logistic regression on words that separates new prompts from old ones, on held-out prompts (Lopez-Paz "
    "and Oquab 2017); p by permutation. If it rises, people ask about something else, and old preferences may not "
    "apply.",
    ends=(
        "_p",
        "_alarm",
    ),
)
PROMPT_DIVERGENCE = Metric(
    "prompt_divergence",
    "drift",
    "bits",
    "near 0",
    "Jensen–Shannon divergence of the word frequencies of new and old prompts: 0 identical, 1 no word in common.",
)
PROMPT_TOPIC_PSI = Metric(
    "prompt_topic_psi",
    "drift",
    "index",
    "near 0",
    "Population stability index of the prompts' topics (clusters of the old prompts by words); p by the chi-squared "
    "test.",
    ends=(
        "_p",
        "_alarm",
    ),
)
PROMPT_LENGTH_PSI = Metric(
    "prompt_length_psi",
    "drift",
    "index",
    "near 0",
    "Population stability index of the prompts' lengths in words: Σ (s-r) ln(s/r) over quantile bins of the old "
    "ones; by convention, .1 deserves attention. p by the chi-squared test.",
    ends=(
        "_p",
        "_alarm",
    ),
)

MIN_PROMPTS = 20
"""Prompts needed on either side."""

TOPICS = 10
"""Largest number of clusters of old prompts."""

_LOOK = "new and old prompts (data/feedback): old preferences may not apply to the new ones"


class ClassifierScores(NamedTuple):
    """Scores of a classifier on held-out prompts: the log-odds that they are new."""

    before: Array
    now: Array

    @property
    def auc(self) -> float:
        """Probability that a new prompt scores higher than an old one, ties half (Mann and Whitney 1947)."""
        ranks = rankdata(np.concatenate([self.now, self.before]))
        n, m = len(self.now), len(self.before)
        return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))

    def p_value(self, seed: int) -> float:
        """P-value of the AUC under no drift, by permuting which scores belong to new prompts.

        Valid because the scores are of prompts that the classifier was not trained on. The difference of the mean
        ranks is a linear function of the AUC and is permuted instead.
        """
        ranks = rankdata(np.concatenate([self.now, self.before]))
        return by_permutation(ranks[: len(self.now)], ranks[len(self.now) :], seed, "greater")


def drift(before: Sequence[str], now: Sequence[str], limits: LimitSettings, bins: int, seed: int) -> DriftFindings:
    """Compare new prompts with old ones; one prompt per group, so that rows are independent."""
    if min(len(before), len(now)) < MIN_PROMPTS:
        return DriftFindings()
    scores = held_out_scores(before, now, seed)
    words = lengths(before), lengths(now)
    checks = (
        DriftCheck(
            PROMPT_AUC,
            scores.auc,
            limits.prompt_auc,
            scores.p_value(seed),
            f"a classifier tells new prompts from those the champion learned from with an AUC of {scores.auc:.2f}",
            _LOOK,
            zero=0.5,
        ),
        by_topic(*topics(before, now, seed), limits.prompt_topic_psi),
        by_length(*words, bins, limits.prompt_length_psi),
    )
    panels = (
        histograms("Prompts: length", "words", *words),
        histograms("Prompts: how new they look", "log-odds of a classifier", scores.before, scores.now),
    )
    return DriftFindings(checks, {PROMPT_DIVERGENCE: word_divergence(before, now)}, panels)


def by_topic(before: Array, now: Array, limit: float) -> DriftCheck:
    """Compare how many old and new prompts each topic has."""
    index, p = stability(before, now), _chi_squared(before, now)
    return DriftCheck(PROMPT_TOPIC_PSI, index, limit, p, _largest_change(before, now), _LOOK)


def by_length(before: Array, now: Array, bins: int, limit: float) -> DriftCheck:
    """Compare lengths in words, in quantile bins of the old ones."""
    p = _chi_squared(counts(before, before, bins), counts(before, now, bins))
    sentence = f"prompts have {now.mean():.1f} words, {before.mean():.1f} before"
    return DriftCheck(PROMPT_LENGTH_PSI, psi(before, now, bins), limit, p, sentence, _LOOK)


def held_out_scores(before: Sequence[str], now: Sequence[str], seed: int) -> ClassifierScores:
    """A classifier two-sample test (Lopez-Paz and Oquab 2017): fit on one half of each side, score the other.

    Logistic regression on TF-IDF of words and word pairs. At least four prompts on either side.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(seed)
    old, new = ([side[i] for i in rng.permutation(len(side))] for side in (before, now))
    half = len(old) // 2, len(new) // 2
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+")
    features = vectors.fit_transform(old[: half[0]] + new[: half[1]])
    model = LogisticRegression(class_weight="balanced", max_iter=300).fit(features, np.repeat([0, 1], half))
    return ClassifierScores(
        *(model.decision_function(vectors.transform(rest)) for rest in (old[half[0] :], new[half[1] :]))
    )


def topics(before: Sequence[str], now: Sequence[str], seed: int) -> tuple[Array, Array]:
    """Count old and new prompts by topic: the nearest cluster of old prompts.

    Topics are the clusters (k-means on TF-IDF of words) of one half of the old prompts; only the other half is counted,
    so that the topics fit neither side better than the other.
    """
    from sklearn.cluster import KMeans
    from sklearn.feature_extraction.text import TfidfVectorizer

    shuffled = [before[row] for row in np.random.default_rng(seed).permutation(len(before))]
    clustered, rest = shuffled[: len(shuffled) // 2], shuffled[len(shuffled) // 2 :]
    vectors = TfidfVectorizer(sublinear_tf=True, token_pattern=r"\S+")
    points = vectors.fit_transform(clustered)
    clusters = KMeans(min(TOPICS, len(set(clustered))), n_init=3, random_state=seed % 2**32).fit(points)
    nearest = (clusters.predict(vectors.transform(side)) for side in (rest, now))
    old, new = (np.bincount(side, minlength=clusters.n_clusters).astype(np.float64) for side in nearest)
    return old, new


def _largest_change(before: Array, now: Array) -> str:
    shares = before / before.sum(), now / now.sum()
    most = int(np.argmax(np.abs(shares[1] - shares[0])))
    return (
        f"the topic that changed most has {percent(shares[1][most])} of the prompts, {percent(shares[0][most])} before"
    )


def _chi_squared(before: Array, now: Array) -> float:
    """P-value of the chi-squared test that both samples have the same distribution over bins; 1 for a single bin."""
    table = np.stack([before, now])
    filled = table[:, table.sum(axis=0) > 0]
    return float(chi2_contingency(filled).pvalue) if filled.shape[1] > 1 else 1.0
