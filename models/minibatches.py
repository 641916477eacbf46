"""Minibatches of rows of similar length, and microbatches that fit into memory.

A minibatch is what one gradient step learns from; a microbatch is what is in one forward pass. The gradients of the
microbatches of a minibatch are added up, so their size changes results by rounding only.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from models import ranks
from models.ranks import SharedPart
from models.tokens import Batch, by_length


def select_rows(batch: Batch, index: Sequence[int]) -> Batch:
    """Rows `index` of a right-padded batch, without columns that are padding in all of them: (len(index), width)."""
    selected = [tensor[list(index)] for tensor in batch]
    width = int(selected[1].sum(dim=1).max())  # the second tensor is the mask
    return Batch(*(tensor[:, :width] for tensor in selected))


def split(batch: Batch, size: int, generator: torch.Generator | None = None) -> list[list[int]]:
    """Row indices of minibatches: at most `size` rows of similar length each, in random order if given a generator."""
    return by_length(lengths(batch), size, generator)


def lengths(batch: Batch) -> list[int]:
    """Number of tokens of each row."""
    counts: list[int] = batch.mask.sum(dim=1).tolist()
    return counts


def microbatches(lengths: Sequence[int], rows: Sequence[int], tokens: int) -> list[list[int]]:
    """The rows, in their order, in parts of at most `tokens` tokens, padding included; a longer row is a part alone.

    `lengths` are those of all rows, whose indices `rows` are.
    """
    parts: list[list[int]] = []
    longest = 0
    for row in rows:
        longest = max(longest, lengths[row])
        if not parts or longest * (len(parts[-1]) + 1) > tokens:
            parts.append([])
            longest = lengths[row]
        parts[-1].append(row)
    return parts


@torch.no_grad()
def map_microbatches(function: Callable[[Batch], Tensor], batch: Batch, tokens: int) -> Tensor:
    """Apply `function` to microbatches of rows of similar length, without gradients; the results in row order.

    The function returns (rows,) or (rows, width); the result is (B,) or (B, T), 0 in the columns cut from a microbatch.
    Ranks share the rows, and each gets all results.
    """
    counts, result = lengths(batch), torch.zeros(0)
    order = sorted(range(len(counts)), key=counts.__getitem__)
    for index, weight in shared_microbatches(counts, order, tokens):
        part = function(select_rows(batch, index))
        if not len(result):
            result = part.new_zeros(batch.ids.shape[: part.dim()])
        if weight:
            result[(index, slice(part.shape[1])) if part.dim() == 2 else index] = part
    ranks.add_up([result])
    return result


def shared_microbatches(lengths: Sequence[int], rows: Sequence[int], tokens: int) -> list[SharedPart]:
    """The microbatches of this rank for some rows; see `microbatches` and `ranks.shared`."""
    return ranks.shared(rows, lambda own: microbatches(lengths, own, tokens), ranks.current())
