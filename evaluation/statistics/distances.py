"""Distances between a sample and a reference: effect sizes for drift, without a model.

A p-value alone would flag any difference once there are many rows; the distances here are effect sizes.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import ks_2samp, wasserstein_distance

Array = npt.NDArray[np.float64]

EPSILON = 1e-4


class KolmogorovSmirnov(NamedTuple):
    """The largest difference between two distribution functions, and its p-value."""

    statistic: float
    p_value: float


def psi(reference: npt.ArrayLike, sample: npt.ArrayLike, bins: int = 10) -> float:
    """Population stability index over quantile bins of the reference: Σ (s - r) ln(s / r), shares at least 1e-4.

    By convention, 0.1 deserves attention and 0.2 is an alarm. A value that fills a whole bin gets its own.
    """
    return stability(counts(reference, reference, bins), counts(reference, sample, bins))


def stability(reference: Array, sample: Array) -> float:
    """The population stability index of counts by bin."""
    expected, observed = (np.maximum(side / side.sum(), EPSILON) for side in (reference, sample))
    return float(np.sum((observed - expected) * np.log(observed / expected)))


def counts(reference: npt.ArrayLike, values: npt.ArrayLike, bins: int = 10) -> Array:
    """How many values fall into each quantile bin of the reference, as in `psi`."""
    edges = _edges(np.asarray(reference, dtype=np.float64), bins)
    bin_index = np.searchsorted(edges, np.asarray(values, dtype=np.float64), side="right")
    return np.bincount(bin_index, minlength=len(edges) + 1).astype(np.float64)


def wasserstein(reference: npt.ArrayLike, sample: npt.ArrayLike) -> float:
    """Wasserstein-1 distance in standard deviations of both samples pooled; 0 if all values are equal.

    Pooled, so that a constant reference still gives a number.
    """
    spread = float(np.std(np.concatenate([np.asarray(reference), np.asarray(sample)])))
    return float(wasserstein_distance(reference, sample)) / spread if spread > 0 else 0.0


def kolmogorov_smirnov(reference: npt.ArrayLike, sample: npt.ArrayLike) -> KolmogorovSmirnov:
    """The two-sample Kolmogorov-Smirnov test."""
    result = ks_2samp(reference, sample)
    return KolmogorovSmirnov(float(result.statistic), float(result.pvalue))


def lengths(texts: Sequence[str]) -> Array:
    """(n,) length of each text in words."""
    return np.array([len(text.split()) for text in texts], dtype=np.float64)


def word_divergence(reference: Sequence[str], sample: Sequence[str]) -> float:
    """Jensen-Shannon divergence of the word frequencies of two sets of texts: 0 identical, 1 no word in common (bits).

    Small sets differ by chance: compare with the divergence of two halves of the reference. Two
    empty sides are identical; one empty side has no word in common.
    """
    ours, theirs = _words(reference), _words(sample)
    if not ours or not theirs:
        return float(bool(ours or theirs))
    vocabulary = sorted(ours.keys() | theirs.keys())
    p, q = (np.array([words[word] for word in vocabulary]) / words.total() for words in (ours, theirs))
    middle = (p + q) / 2
    return (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2


def _edges(reference: Array, bins: int) -> Array:
    """Inner edges. A repeated quantile is a value with at least one bin's mass: it gets an edge on both sides."""
    quantiles = np.quantile(reference, np.arange(1, bins) / bins)
    values, counts = np.unique(quantiles, return_counts=True)
    return np.union1d(values, np.nextafter(values[counts > 1], np.inf))


def _words(texts: Sequence[str]) -> Counter[str]:
    return Counter(word for text in texts for word in text.casefold().split())


def _relative_entropy(p: Array, q: Array) -> float:
    """KL(p || q) in bits; q is positive wherever p is."""
    positive = p > 0
    return float(np.sum(p[positive] * np.log2(p[positive] / q[positive])))
