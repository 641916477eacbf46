"""One token per row by inverse transform sampling, from a uniform random number per row."""

import torch
from torch import Tensor

BLOCK = 256


def draw(logprobs: Tensor, uniforms: Tensor) -> Tensor:
    """One token per row from log-probabilities (B, V) float32 and uniform numbers (B,) in [0, 1): (B,) int64."""
    return draw_in_blocks(logprobs, uniforms) if logprobs.is_cuda else draw_from_all(logprobs, uniforms)


def draw_from_all(logprobs: Tensor, uniforms: Tensor) -> Tensor:
    """From cumulative sums over the whole vocabulary: a tensor (B, V) float64."""
    cumulative = logprobs.exp().cumsum(dim=-1, dtype=torch.float64)
    threshold = uniforms[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, threshold, right=True)[:, 0].clamp(max=logprobs.shape[1] - 1)


def draw_in_blocks(logprobs: Tensor, uniforms: Tensor) -> Tensor:
    """First a block of the vocabulary, then a token in it: only sums of blocks and one block per row are float64.

    Sums in float32 are not exact enough: computed in parallel they can decrease, and draw a token of probability 0.
    """
    width = -logprobs.shape[1] % BLOCK
    blocks = torch.nn.functional.pad(logprobs.exp(), (0, width)).reshape(len(logprobs), -1, BLOCK)  # (B, blocks, BLOCK)
    ends = blocks.sum(dim=-1, dtype=torch.float64).cumsum(dim=-1)  # (B, blocks)
    threshold = uniforms[:, None] * ends[:, -1:]  # (B, 1)
    block = torch.searchsorted(ends, threshold, right=True).clamp(max=ends.shape[1] - 1)  # (B, 1)
    start = torch.where(block > 0, ends.gather(1, (block - 1).clamp(min=0)), 0.0)
    chosen = blocks.gather(1, block[:, :, None].expand(-1, -1, BLOCK))[:, 0]  # (B, BLOCK)
    cumulative = chosen.cumsum(dim=-1, dtype=torch.float64)
    token = torch.searchsorted(cumulative, threshold - start, right=True)
    last = BLOCK - 1 - (chosen > 0).flip(1).int().argmax(dim=1, keepdim=True)  # the last token that is possible
    return (block * BLOCK + torch.minimum(token, last))[:, 0]
