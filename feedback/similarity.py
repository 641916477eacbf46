"""All pairs of near-identical texts, by an exact search: unlike MinHash, it misses no pair."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

Ints = npt.NDArray[np.int64]

_CHUNK = 512  # rows whose candidates are in memory at a time; does not change the result
_BLOCK = 200_000  # pairs that are checked at a time
_SLACK = 1e-9  # rounding tolerance: a similarity of exactly the threshold counts


def grams(text: str) -> set[str]:
    """The words of a text and its pairs of adjacent words."""
    words = text.split()
    return {*words, *(f"{left} {right}" for left, right in pairwise(words))}


def near_pairs(texts: Sequence[str], threshold: float, start: int = 0) -> Ints:
    """Pairs `(i, j)`, `j < i` and `i >= start`, whose grams have a Jaccard similarity of at least `threshold`.

    Shape (pairs, 2). Prefix filtering (Bayardo, Ma, Srikant 2007; Xiao et al. 2008): two sets with that similarity
    share at least one of their `n - ceil(threshold n) + 1` rarest members, so only sets that do are compared.
    """
    if start >= len(texts):
        return np.empty((0, 2), dtype=np.int64)
    sets = _matrix([grams(text) for text in texts])
    sizes = np.diff(sets.indptr)
    prefixes = _rarest(sets, sizes - np.ceil(threshold * sizes - _SLACK) + 1)
    columns = prefixes.T.tocsr()
    chunks = [np.empty((0, 2), dtype=np.int64)]
    for row in range(start, len(texts), _CHUNK):
        shared = (prefixes[row : row + _CHUNK] @ columns).tocoo()
        pairs = np.stack([shared.row.astype(np.int64) + row, shared.col], axis=1)
        chunks.append(_confirmed(pairs[pairs[:, 1] < pairs[:, 0]], sets, sizes, threshold))
    return np.concatenate(chunks)


def _matrix(sets: Sequence[set[str]]) -> Any:
    """Sets as rows of zeros and ones. (sets, distinct members)"""
    column: dict[str, int] = {}
    indices = [column.setdefault(member, len(column)) for members in sets for member in sorted(members)]
    bounds = np.cumsum([0, *(len(members) for members in sets)])
    return sparse.csr_matrix((np.ones(len(indices), dtype=np.int32), indices, bounds), shape=(len(sets), len(column)))


def _rarest(sets: Any, counts: Ints) -> Any:
    """Each row with only its rarest members; `counts` says how many."""
    frequency = np.bincount(sets.indices, minlength=sets.shape[1])
    rank = np.argsort(np.argsort(frequency, kind="stable"))
    rows = np.repeat(np.arange(sets.shape[0]), np.diff(sets.indptr))
    order = np.lexsort((rank[sets.indices], rows))  # by row, then by rarity
    keep = np.arange(sets.nnz) - sets.indptr[rows] < counts[rows]
    members = (rows[keep], sets.indices[order][keep])
    return sparse.csr_matrix((np.ones(len(members[0]), dtype=np.int32), members), shape=sets.shape)


def _confirmed(pairs: Ints, sets: Any, sizes: Ints, threshold: float) -> Ints:
    """The pairs whose similarity reaches the threshold. Sizes are compared first, because that excludes most pairs."""
    both = sizes[pairs]
    pairs = pairs[both.min(axis=1) >= threshold * both.max(axis=1) - _SLACK]
    blocks = [pairs[start : start + _BLOCK] for start in range(0, len(pairs), _BLOCK)]
    return np.concatenate([pairs[:0], *(block[_jaccard(block, sets, sizes) >= threshold - _SLACK] for block in blocks)])


def _jaccard(pairs: Ints, sets: Any, sizes: Ints) -> npt.NDArray[np.float64]:
    common = np.asarray(sets[pairs[:, 0]].multiply(sets[pairs[:, 1]]).sum(axis=1)).ravel()
    similarity: npt.NDArray[np.float64] = common / (sizes[pairs].sum(axis=1) - common)
    return similarity
