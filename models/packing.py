"""Several answers to a prompt in one row, so that the prompt is computed once.

A row is the prompt with all its answers after it. A token of an answer sees the prompt and the earlier tokens of its
own answer, and each answer continues at the position after the prompt, so that every hidden state is that of the prompt
with this answer alone. A prompt of P tokens with K answers of A tokens takes P + K A tokens in place of K (P + A).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.tokens import Batch

Ints = npt.NDArray[np.int64]


class Packed(NamedTuple):
    """B texts of T tokens, padding included, as R rows of W tokens: one a prompt."""

    ids: Tensor
    """(R, W) int64, 0 for padding"""
    positions: Tensor
    """(R, W) int64, position of each token in its text, 0 for padding"""
    parts: Tensor
    """(R, W) int64, 0 for a token of the prompt, k for one of the answer k (from 1), -1 for padding"""
    places: Tensor
    """(B, T) int64, where each token of each text is among the R W tokens; 0 for padding"""

    def to(self, device: torch.device) -> "Packed":
        """The same rows on another device."""
        return Packed(*(tensor.to(device) for tensor in self))

    def unpacked(self, states: Tensor) -> Tensor:
        """The states (R, W, H) of the rows as those of the texts: (B, T, H), arbitrary at padding."""
        # the backward pass of index_select adds in a fixed order, that of indexing with a tensor does not
        return states.flatten(0, 1).index_select(0, self.places.flatten()).reshape(*self.places.shape, -1)


def pack(batch: Batch, counts: Sequence[int]) -> Packed:
    """The texts of a right-padded batch, a row for each prompt.

    Args:
        batch: the texts, (B, T).
        counts: number of texts of each prompt, R numbers that sum to B; the texts of a prompt are next to each other.
    """
    device, sizes = batch.ids.device, torch.tensor(counts, device=batch.ids.device)
    row = torch.arange(len(counts), device=device).repeat_interleave(sizes)  # (B,), of each text
    first = (sizes.cumsum(0) - sizes)[row]  # (B,), first text of the same prompt
    answer = batch.response.sum(dim=1)
    prompt = batch.mask.sum(dim=1) - answer
    before = answer.cumsum(0) - answer
    shift = before - before[first]  # (B,), tokens of earlier answers to the same prompt
    width = int((prompt + shift + answer).max())
    position = torch.arange(batch.ids.shape[1], device=device).expand_as(batch.ids)
    places = (row * width)[:, None] + position + shift[:, None] * batch.response  # (B, T)
    number = (torch.arange(len(row), device=device) - first + 1)[:, None] * batch.response

    def fill(values: Tensor, padding: int) -> Tensor:
        """The texts of a prompt write the same values at its tokens."""
        flat = torch.full((len(counts) * width,), padding, device=device)
        return flat.scatter(0, places[batch.mask], values[batch.mask]).reshape(len(counts), width)

    rows = (fill(batch.ids, 0), fill(position, 0), fill(number, -1))
    return Packed(*rows, places.masked_fill(~batch.mask, 0))


def visible(parts: Tensor) -> Tensor:
    """Which tokens each token sees, from the parts (R, W) of `Packed`: (R, 1, W, W) bool, from and to.

    Padding sees itself, since attention to no token at all is not defined; no real token sees padding.
    """
    own = (parts[:, None, :] == parts[:, :, None]) | (parts[:, None, :] == 0)
    return own.tril()[:, None]


def additive(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """The mask as numbers that are added to attention scores: 0, or the lowest number of the type."""
    zeros = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return zeros.masked_fill(~seen, torch.finfo(dtype).min)


def share(prompts: Ints, answers: Ints, first_answer: Ints, hidden: int) -> float:
    """Operations of packed rows, divided by those of each text in a row of its own; 1 without texts.

    A layer takes about 24 H² operations a token for its matrices, and 4 H for each token in the row for attention; half
    of these under a causal mask, which packed rows have not.

    Args:
        prompts: tokens of each prompt, (R,).
        answers: tokens of each answer, those to a prompt next to each other, (B,).
        first_answer: where the answers to each prompt begin, (R,).
        hidden: H, the hidden size.
    """
    if not len(answers):
        return 1.0
    counts = np.diff([*first_answer, len(answers)])
    texts = np.repeat(prompts, counts) + answers
    rows = prompts + np.add.reduceat(answers, first_answer)
    packed, apart = rows * (6 * hidden + rows), texts * (6 * hidden + texts / 2)
    return float(packed.sum() / apart.sum())
