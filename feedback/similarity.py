"""Near-identical texts, by an exact search: unlike MinHash alone, it misses none."""

from array import array
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import connected_components

Ints = npt.NDArray[np.int64]

_CHUNK = 512  # rows whose candidates are in memory at a time; does not change the result
_FIRST_BLOCK, _BLOCK = 4_096, 200_000  # pairs that are checked at a time
_ORDERS = 3  # random orders by which similar sets are found first
_SLACK = 1e-9  # rounding tolerance: a similarity of exactly the threshold counts


def grams(text: str) -> set[str]:
    """The words of a text and its pairs of adjacent words."""
    words = text.split()
    return {*words, *(f"{left} {right}" for left, right in pairwise(words))}


def near_links(texts: Sequence[str], threshold: float, start: int = 0) -> Ints:
    """Pairs that connect the same texts as all near-identical pairs do; many similar texts need few of these.

    Near-identical are `(i, j)`, `j < i` and `i >= start`, if their grams have a Jaccard similarity of at least
    `threshold`. Shape (pairs, 2).

    Prefix filtering (Bayardo, Ma, Srikant 2007; Xiao et al. 2008): of two sets with that similarity, the larger has
    among its `n - ceil(threshold n) + 1` rarest members one of the `n - ceil(2 threshold / (1 + threshold) n) + 1`
    rarest of the smaller. Only such sets are compared, and only if nothing connects them yet.
    """
    if start >= len(texts):
        return np.empty((0, 2), dtype=np.int64)
    search = _Search(_matrix(map(grams, texts)), threshold, start)
    search.link_neighbours()
    for row in range(start, len(texts), _CHUNK):
        search.link(np.arange(row, min(row + _CHUNK, len(texts))))
    return np.concatenate([np.empty((0, 2), dtype=np.int64), *search.links])


def near_any(texts: Sequence[str], others: Sequence[str], threshold: float) -> Ints:
    """The indices of the texts that are near-identical to any of the others, see `near_links`. Shape (found,).

    Unlike a link, this is never by way of a third text: nobody can connect two texts by writing one between them.
    """
    lookup = _Lookup(_matrix(map(grams, [*others, *texts])), threshold, len(others))
    if texts and others:
        lookup.find_likely()
        lookup.find_all()
    return np.flatnonzero(lookup.found)


class _Lookup:
    """A search for the sets that are near one of the first `start` sets; what is found is not searched again."""

    def __init__(self, sets: Any, threshold: float, start: int) -> None:
        self._sets, self._threshold, self._start = sets, threshold, start
        self._sizes = np.diff(sets.indptr).astype(np.int64)
        self.found = np.zeros(sets.shape[0] - start, dtype=np.bool_)

    def find_likely(self) -> None:
        """Compare sets with one that has the same rarest member by some random order (MinHash)."""
        rows = np.flatnonzero(self._sizes)
        for seed in range(_ORDERS if len(rows) else 0):
            order = np.random.default_rng(seed).permutation(self._sets.shape[1])
            first = np.minimum.reduceat(order[self._sets.indices], self._sets.indptr[rows])
            own, theirs = rows >= self._start, rows < self._start
            values, where = np.unique(first[theirs], return_index=True)
            if not len(values):
                return
            at = np.searchsorted(values, first[own]).clip(max=len(values) - 1)
            same = values[at] == first[own]
            self._check(np.stack([rows[own][same], rows[theirs][where[at[same]]]], axis=1))

    def find_all(self) -> None:
        """Compare the remaining sets with all that prefix filtering leaves."""
        for own, theirs, is_larger in _prefix_pairs(self._sets, self._sizes, self._threshold):
            by_member = theirs[: self._start].T.tocsr()
            for first in range(0, len(self.found), _CHUNK):
                rows = self._start + first + np.flatnonzero(~self.found[first : first + _CHUNK])
                pairs = _sharing(own[rows], by_member)
                pairs[:, 0] = rows[pairs[:, 0]]
                larger = self._sizes[pairs[:, 1]] <= self._sizes[pairs[:, 0]]
                self._check(pairs[larger == is_larger])

    def _check(self, pairs: Ints) -> None:
        size = _FIRST_BLOCK
        while len(pairs := pairs[~self.found[pairs[:, 0] - self._start]]):
            block, pairs, size = pairs[:size], pairs[size:], min(2 * size, _BLOCK)
            self.found[_confirmed(block, self._sets, self._sizes, self._threshold)[:, 0] - self._start] = True


def _prefix_pairs(sets: Any, sizes: Ints, threshold: float) -> list[tuple[Any, Any, bool]]:
    """The rarest members of sets and of those they are compared with, where the first is the larger, and where not."""
    shares = (threshold, 2 * threshold / (1 + threshold))
    larger, smaller = (_rarest(sets, sizes - np.ceil(share * sizes - _SLACK) + 1) for share in shares)
    return [(larger, smaller, True), (smaller, larger, False)]


class _Search:
    """A search for links among sets, which knows what is connected already."""

    def __init__(self, sets: Any, threshold: float, start: int) -> None:
        self._sets, self._threshold, self._start = sets, threshold, start
        self._sizes = np.diff(sets.indptr).astype(np.int64)
        self._prefixes = _prefix_pairs(sets, self._sizes, threshold)
        self._labels = np.arange(sets.shape[0])
        self.links: list[Ints] = []

    def link_neighbours(self) -> None:
        """Link sets that have the same rarest member by some random order (MinHash): most similar ones, in little time.

        What this misses, `link` finds.
        """
        for seed in range(_ORDERS):
            pairs = _neighbours(self._sets, np.random.default_rng(seed).permutation(self._sets.shape[1]))
            self._link(pairs[pairs.max(axis=1) >= self._start])

    def link(self, rows: Ints) -> None:
        """Link these sets with all before them. Those of one large component are not compared with each other."""
        labels = self._labels
        large = np.bincount(labels)[labels[rows]] > max(_CHUNK, len(labels) // 50)
        self._link_with(rows[~large], np.arange(len(labels)))
        for label in np.unique(labels[rows[large]]):
            self._link_with(rows[large & (labels[rows] == label)], np.flatnonzero(labels != label))

    def _link_with(self, rows: Ints, others: Ints) -> None:
        if not len(rows) or not len(others):
            return
        everyone = len(others) == len(self._labels)
        for own, theirs, is_larger in self._prefixes:
            pairs = _sharing(own[rows], (theirs if everyone else theirs[others]).T.tocsr())
            pairs = np.stack([rows[pairs[:, 0]], others[pairs[:, 1]]], axis=1)
            first, second = self._sizes[pairs].T
            right = (second <= first) == is_larger
            self._link(pairs[right & (pairs[:, 1] < pairs[:, 0])])

    def _link(self, pairs: Ints) -> None:
        """Add the pairs that are similar and connect something; what is connected is left out before each block."""
        size = _FIRST_BLOCK
        while len(pairs := pairs[self._labels[pairs[:, 0]] != self._labels[pairs[:, 1]]]):
            block, pairs, size = pairs[:size], pairs[size:], min(2 * size, _BLOCK)
            self._connect(_confirmed(block, self._sets, self._sizes, self._threshold))

    def _connect(self, pairs: Ints) -> None:
        if len(pairs):
            ordered = np.unique(np.sort(pairs, axis=1)[:, ::-1], axis=0)
            self.links.append(ordered)
            ends = self._labels[ordered]
            count = len(self._labels)
            graph = sparse.coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
            self._labels = connected_components(graph, directed=False)[1][self._labels]


def _neighbours(sets: Any, order: Ints) -> Ints:
    """Pairs of sets with the same first member by an order of the members: next to each other, and with the first."""
    rows = np.flatnonzero(np.diff(sets.indptr))
    if not len(rows):
        return np.empty((0, 2), dtype=np.int64)
    first = np.minimum.reduceat(order[sets.indices], sets.indptr[rows])
    sorted_rows = rows[np.lexsort((-rows, first))]  # new sets before settled ones, so that these have a new neighbour
    values = np.sort(first)
    starts = np.searchsorted(values, values)  # where the run of equal values begins
    with_first = np.stack([sorted_rows, sorted_rows[starts]], axis=1)
    same = np.flatnonzero(values[1:] == values[:-1])
    beside = np.stack([sorted_rows[same], sorted_rows[same + 1]], axis=1)
    return np.concatenate([with_first, beside]).astype(np.int64)


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
