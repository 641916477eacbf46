"""All pairs of texts that are nearly the same, found exactly: no hashing luck, no threshold that sometimes misses."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

Ints = npt.NDArray[np.int64]

_CHUNK = 512  # rows whose candidates are held at once: bounds the memory, not the result
_BLOCK = 200_000  # pairs that are checked at once
_SLACK = 1e-9  # so that a similarity of exactly the threshold counts


def grams(text: str) -> set[str]:
    """The words of a text and the pairs of neighbours among them."""
    words = text.split()
    return {*words, *(f"{left} {right}" for left, right in pairwise(words))}


def near_pairs(texts: Sequence[str], threshold: float, start: int = 0) -> Ints:
    """Pairs `(i, j)`, `j < i` and `i >= start`, whose grams have a Jaccard similarity of at least `threshold`.

    Prefix filtering (Bayardo, Ma, Srikant 2007; Xiao et al. 2008): sets that similar share one of their
    `n - ceil(threshold n) + 1` rarest members, so that only those that do are compared. Shape (pairs, 2).
    """
    sets = _matrix([grams(text) for text in texts])
    sizes = np.diff(sets.indptr)
    prefixes = _rarest(sets, sizes - np.ceil(threshold * sizes - _SLACK) + 1)
    columns = prefixes.T.tocsr()
    found = [np.empty((0, 2), dtype=np.int64)]
    for row in range(start, len(texts), _CHUNK):
        shared = (prefixes[row : row + _CHUNK] @ columns).tocoo()
        pairs = np.stack([shared.row.astype(np.int64) + row, shared.col], axis=1)
        found.append(_confirmed(pairs[pairs[:, 1] < pairs[:, 0]], sets, sizes, threshold))
    return np.concatenate(found)


def _matrix(sets: Sequence[set[str]]) -> Any:
    """Sets as rows of zeros and ones. (sets, distinct members)"""
    column: dict[str, int] = {}
    indices = [column.setdefault(member, len(column)) for members in sets for member in sorted(members)]
    bounds = np.cumsum([0, *(len(members) for members in sets)])
    return sparse.csr_matrix((np.ones(len(indices), dtype=np.int32), indices, bounds), shape=(len(sets), len(column)))


def _rarest(sets: Any, counts: Ints) -> Any:
    """Each row with only its `counts` rarest members."""
    frequency = np.bincount(sets.indices, minlength=sets.shape[1])
    rank = np.argsort(np.argsort(frequency, kind="stable"))
    rows = np.repeat(np.arange(sets.shape[0]), np.diff(sets.indptr))
    order = np.lexsort((rank[sets.indices], rows))  # rows stay together, rare members first
    keep = np.arange(sets.nnz) - sets.indptr[rows] < counts[rows]
    kept = (rows[keep], sets.indices[order][keep])
    return sparse.csr_matrix((np.ones(len(kept[0]), dtype=np.int32), kept), shape=sets.shape)


def _confirmed(pairs: Ints, sets: Any, sizes: Ints, threshold: float) -> Ints:
    """The pairs that are as similar as asked. Sizes are looked at first: they alone rule most pairs out."""
    ends = sizes[pairs]
    pairs = pairs[ends.min(axis=1) >= threshold * ends.max(axis=1) - _SLACK]
    blocks = [pairs[at : at + _BLOCK] for at in range(0, len(pairs), _BLOCK)]
    return np.concatenate([pairs[:0], *(block[_jaccard(block, sets, sizes) >= threshold - _SLACK] for block in blocks)])


def _jaccard(pairs: Ints, sets: Any, sizes: Ints) -> npt.NDArray[np.float64]:
    common = np.asarray(sets[pairs[:, 0]].multiply(sets[pairs[:, 1]]).sum(axis=1)).ravel()
    similarity: npt.NDArray[np.float64] = common / (sizes[pairs].sum(axis=1) - common)
    return similarity
