"""Parts of a batch: rows of similar length together, so that little of the work is padding."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from models.tokens import Batch, by_length


def rows(batch: Batch, index: Sequence[int]) -> Batch:
    """Some rows of a right-padded batch, without the columns that are padding in all of them."""
    part = [tensor[list(index)] for tensor in batch]
    width = int(part[1].sum(dim=1).max())
    return Batch(*(tensor[:, :width] for tensor in part))


def split(batch: Batch, size: int, generator: torch.Generator | None = None) -> list[list[int]]:
    """The rows of minibatches of at most `size` rows of similar length; shuffled where a generator is given."""
    return by_length(batch.mask.sum(dim=1).tolist(), size, generator)


@torch.no_grad()
def each(function: Callable[[Batch], Tensor], batch: Batch, size: int) -> Tensor:
    """`function` of a whole batch, computed without gradients on parts of at most `size` rows.

    The function gives (rows,) or (rows, width); the columns cut from a part come back as 0.
    """
    result = torch.zeros(0)
    for index in split(batch, size):
        part = function(rows(batch, index))
        if not len(result):
            result = part.new_zeros(batch.ids.shape[: part.dim()])
        result[(index, slice(part.shape[1])) if part.dim() == 2 else index] = part
    return result
