"""Minibatches of rows of similar length, so that little compute is spent on padding."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from models.tokens import Batch, by_length


def select_rows(batch: Batch, index: Sequence[int]) -> Batch:
    """Rows `index` of a right-padded batch, without columns that are padding in all of them: (len(index), width)."""
    selected = [tensor[list(index)] for tensor in batch]
    width = int(selected[1].sum(dim=1).max())  # the second tensor is the mask
    return Batch(*(tensor[:, :width] for tensor in selected))


def split(batch: Batch, size: int, generator: torch.Generator | None = None) -> list[list[int]]:
    """Row indices of minibatches: at most `size` rows of similar length each, in random order if given a generator."""
    return by_length(batch.mask.sum(dim=1).tolist(), size, generator)


@torch.no_grad()
def map_minibatches(function: Callable[[Batch], Tensor], batch: Batch, size: int) -> Tensor:
    """Apply `function` to minibatches of at most `size` rows, without gradients, and put the results in row order.

    The function returns (rows,) or (rows, width); the result is (B,) or (B, T), 0 in the columns cut from a minibatch.
    """
    result = torch.zeros(0)
    for index in split(batch, size):
        part = function(select_rows(batch, index))
        if not len(result):
            result = part.new_zeros(batch.ids.shape[: part.dim()])
        result[(index, slice(part.shape[1])) if part.dim() == 2 else index] = part
    return result
