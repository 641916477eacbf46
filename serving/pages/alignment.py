"""Two answers side by side: the rows of one grid that their blocks take, so that comparable blocks are side by side.

What two blocks have in common is measured by their words (`similarities`). Of all ways to match blocks without a change
of their order, the one with the largest sum of similarities is taken (`matches`; Needleman and Wunsch 1970, without a
penalty for a gap). `difflib` finds only equal blocks, and loading scikit-learn takes longer than a page may.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

MOST_ROWS = 300
"""Rows of the grid. Answers that need more are not aligned."""

LEAST = 0.25
"""Similarity from which on two blocks are matched."""

HEADING = "heading_open"
"""The kind of a heading; kinds are the types of tokens of markdown-it."""

Similarities = npt.NDArray[np.float64]

Row = tuple[int | None, int | None]
"""Numbers of the left and the right block that begin in a row; None where none does."""

_WITHOUT_SPACES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese: each character counts as a word."""

_WORD = re.compile(rf"[{_WITHOUT_SPACES}]|[^\W_{_WITHOUT_SPACES}]+")


class Block(NamedTuple):
    """A part of an answer that is not divided: a paragraph, a heading, an item of a list, code, a table."""

    kind: str
    text: str

    @property
    def words(self) -> set[str]:
        """The words in lower case, and the kind as one more: a rare kind, such as code, says much."""
        return {f"<{self.kind}>", *(word.casefold() for word in _WORD.findall(self.text))}

    @property
    def introduces(self) -> bool:
        """Whether it belongs to the block after it: a heading, or a text that ends with a colon."""
        return self.kind == HEADING or self.text.rstrip().endswith((":", "："))


class Span(NamedTuple):
    """The rows of a block, counted from 1."""

    start: int
    end: int
    """The row after the last one."""

    @property
    def classes(self) -> str:
        """Say the rows in HTML, see `style`."""
        return f"from-{self.start} to-{self.end}"


class Spans(NamedTuple):
    """The rows of all blocks of two answers."""

    left: list[Span]
    right: list[Span]


def align(left: Sequence[Block], right: Sequence[Block]) -> Spans | None:
    """The rows of the blocks of two answers; None if they need more than `MOST_ROWS`."""
    if max(len(left), len(right)) > MOST_ROWS:
        return None
    spans = placed(rows(left, right, matches(similarities(left, right))))
    return spans if all(span.end <= MOST_ROWS + 1 for side in spans for span in side) else None


def style() -> str:
    """The style sheet with the meaning of `Span.classes`: the policy of pages forbids styles in their HTML."""
    numbers = range(1, MOST_ROWS + 2)
    classes = "".join(f".from-{row}{{grid-row-start:{row}}}.to-{row}{{grid-row-end:{row}}}\n" for row in numbers)
    return f":root{{--rows:{MOST_ROWS}}}\n{classes}"


def similarities(left: Sequence[Block], right: Sequence[Block]) -> Similarities:
    """How similar each left block is to each right block, from 0 to 1. Shape (left, right).

    Twice the weight of their common words, divided by the weight of the words of both (Dice 1945). A word in `n` of all
    `N` blocks has the weight `log((N + 1) / n)`.
    """
    words = [sorted(block.words) for block in (*left, *right)]
    number = {word: place for place, word in enumerate(sorted({*chain(*words)}))}
    members = [number[word] for word in chain(*words)]
    bounds = np.cumsum([0, *map(len, words)])
    weights = np.log((len(words) + 1) / np.bincount(members, minlength=len(number)))
    has = sparse.csr_matrix((np.ones(len(members)), members, bounds), shape=(len(words), len(number)))
    sums = has @ weights
    common: Similarities = (has[: len(left)].multiply(weights) @ has[len(left) :].T).toarray()
    both: Similarities = sums[: len(left), None] + sums[len(left) :]
    return 2 * common / both


def matches(similarity: Similarities) -> list[tuple[int, int]]:
    """Pairs (left, right) of blocks that are matched, in the order of both answers."""
    usable = np.where(similarity >= LEAST, similarity, 0)
    best = np.zeros((len(usable) + 1, usable.shape[1] + 1))  # largest sum of the first blocks of both
    for row, gains in enumerate(usable):
        best[row + 1, 1:] = np.maximum(best[row, 1:], best[row, :-1] + gains)
        np.maximum.accumulate(best[row + 1], out=best[row + 1])
    return [*_way_back(usable, best)][::-1]


def _way_back(usable: Similarities, best: Similarities) -> Iterator[tuple[int, int]]:
    left, right = usable.shape
    while left and right:
        gain = usable[left - 1, right - 1]
        if gain and best[left, right] == best[left - 1, right - 1] + gain:
            left, right = left - 1, right - 1
            yield left, right
        elif best[left, right] == best[left - 1, right]:
            left -= 1
        else:
            right -= 1


def rows(left: Sequence[Block], right: Sequence[Block], matched: Sequence[tuple[int, int]]) -> list[Row]:
    """The blocks that begin in each row.

    Blocks between two matches stand beside each other in their order. What introduces a matched block stands directly
    above it.
    """
    found: list[Row] = []
    for before, after in pairwise([(-1, -1), *matched, (len(left), len(right))]):
        own, theirs = range(before[0] + 1, after[0]), range(before[1] + 1, after[1])
        height = max(len(own), len(theirs))
        found += zip(_column(left, own, height), _column(right, theirs, height), strict=True)
        found.append(after)
    return found[:-1]


def _column(blocks: Sequence[Block], between: range, height: int) -> list[int | None]:
    """The blocks between two matches in as many rows; the empty ones are above those that introduce the next match."""
    kept = len(between)
    while kept and between[-1] + 1 < len(blocks) and blocks[between[kept - 1]].introduces:
        kept -= 1
    return [*between[:kept], *[None] * (height - len(between)), *between[kept:]]


def placed(begun: Sequence[Row]) -> Spans:
    """The rows of each block.

    A block that has no block beside what follows it reaches down to the next block of its answer, so that the other
    answer goes on beside a long block. One more row ends such a stretch: nothing begins in it, so that a browser gives
    it the height by which the long block is longer, and none to the blocks beside it.
    """
    lines, line = [], 1
    for row, following in pairwise([*begun, (0, 0)]):
        lines.append(line)
        line += 2 if None in row and None not in following else 1
    lines.append(line)
    return Spans(*(_spans([row[side] for row in begun], lines) for side in (0, 1)))


def _spans(begun: Sequence[int | None], lines: Sequence[int]) -> list[Span]:
    """The rows of the blocks of one answer; `lines` has the number of each row, and of the one after the last."""
    own = [place for place, block in enumerate(begun) if block is not None]
    return [
        Span(lines[place], lines[following] if following > place + 1 else lines[place] + 1)
        for place, following in pairwise([*own, len(begun)])
    ]
