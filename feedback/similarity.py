"""All pairs of near-identical texts, by an exact search: unlike MinHash, it misses no pair."""

from array import array
from collections.abc import Iterable, Sequence
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

    Shape (pairs, 2). Prefix filtering (Bayardo, Ma, Srikant 2007; Xiao et al. 2008): of two sets with that similarity,
    the larger has among its `n - ceil(threshold n) + 1` rarest members one of the
    `n - ceil(2 threshold / (1 + threshold) n) + 1` rarest of the smaller. Only such sets are compared.
    """
    if start >= len(texts):
        return np.empty((0, 2), dtype=np.int64)
    sets = _matrix(map(grams, texts))
    sizes = np.diff(sets.indptr).astype(np.int64)
    larger, smaller = (
        _rarest(sets, sizes - np.ceil(share * sizes - _SLACK) + 1)
        for share in (threshold, 2 * threshold / (1 + threshold))
    )
    by_member = {"larger": larger.T.tocsr(), "smaller": smaller.T.tocsr()}
    chunks = [np.empty((0, 2), dtype=np.int64)]
    for row in range(start, len(texts), _CHUNK):
        rows = slice(row, row + _CHUNK)
        found = [_sharing(larger[rows], by_member["smaller"]), _sharing(smaller[rows], by_member["larger"])]
        for pairs, is_larger in zip(found, (True, False), strict=True):
            pairs[:, 0] += row
            first, second = sizes[pairs].T
            right = (second <= first) == is_larger
            chunks.append(_confirmed(pairs[right & (pairs[:, 1] < pairs[:, 0])], sets, sizes, threshold))
    return np.concatenate(chunks)


def _sharing(rows: Any, by_member: Any) -> Ints:
    """Pairs (row, other set) that share a member. (pairs, 2)"""
    shared = (rows @ by_member).tocoo()
    return np.stack([shared.row.astype(np.int64), shared.col.astype(np.int64)], axis=1)


def _matrix(sets: Iterable[set[str]]) -> Any:
    """Sets as rows of zeros and ones. (sets, distinct members)"""
    column: dict[str, int] = {}
    indices, bounds = array("i"), array("q", [0])
    for members in sets:
        indices.extend([column.setdefault(member, len(column)) for member in sorted(members)])
        bounds.append(len(indices))
    ones = np.ones(len(indices), dtype=np.int32)
    return sparse.csr_matrix((ones, np.asarray(indices), np.asarray(bounds)), shape=(len(bounds) - 1, len(column)))


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
