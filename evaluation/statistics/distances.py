"""How far a sample has moved from a reference: numbers for drift, none of which needs a model.

A p-value alone would sound an alarm over anything once rows are many; the distances here are sizes of effect.
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
    """The largest gap between two distribution functions, and how likely so large a gap is without drift."""

    statistic: float
    p_value: float


def psi(reference: npt.ArrayLike, sample: npt.ArrayLike, bins: int = 10) -> float:
    """Population stability index over quantile bins of the reference: Σ (s - r) ln(s / r), shares at least 1e-4.

    By custom, 0.1 is worth a look and 0.2 an alarm. A value that fills a bin by itself gets its own.
    """
    return stability(counts(reference, reference, bins), counts(reference, sample, bins))


def stability(reference: Array, sample: Array) -> float:
    """The same index of counts by bin."""
    expected, found = (np.maximum(side / side.sum(), EPSILON) for side in (reference, sample))
    return float(np.sum((found - expected) * np.log(found / expected)))


def counts(reference: npt.ArrayLike, values: npt.ArrayLike, bins: int = 10) -> Array:
    """How many values fall into each quantile bin of the reference, as in `psi`."""
    edges = _edges(np.asarray(reference, dtype=np.float64), bins)
    places = np.searchsorted(edges, np.asarray(values, dtype=np.float64), side="right")
    return np.bincount(places, minlength=len(edges) + 1).astype(np.float64)


def wasserstein(reference: npt.ArrayLike, sample: npt.ArrayLike) -> float:
    """Wasserstein-1 distance in standard deviations of both together; 0 where all values are the same.

    Of both together, so that a reference that never varies still gives a number.
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
    """Jensen-Shannon divergence of the word frequencies of two sets of texts: 0 alike, 1 no word in common (bits).

    Small sets differ by chance: compare with the divergence of two halves of the reference. A side without any word
    has none in common.
    """
    ours, theirs = _words(reference), _words(sample)
    if not ours or not theirs:
        return float(bool(ours or theirs))
    vocabulary = sorted(ours.keys() | theirs.keys())
    p, q = (np.array([words[word] for word in vocabulary]) / words.total() for words in (ours, theirs))
    middle = (p + q) / 2
    return (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2


def _edges(reference: Array, bins: int) -> Array:
    """Inner edges. A quantile that comes twice is a value with a bin's mass or more: an edge on both sides of it."""
    quantiles = np.quantile(reference, np.arange(1, bins) / bins)
    values, counts = np.unique(quantiles, return_counts=True)
    return np.union1d(values, np.nextafter(values[counts > 1], np.inf))


def _words(texts: Sequence[str]) -> Counter[str]:
    return Counter(word for text in texts for word in text.casefold().split())


def _relative_entropy(p: Array, q: Array) -> float:
    """KL(p || q) in bits; q is positive wherever p is."""
    here = p > 0
    return float(np.sum(p[here] * np.log2(p[here] / q[here])))
