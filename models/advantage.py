"""From scores to advantages: the mathematics of PPO on masked (batch, time) tensors.

Every tensor is (B, T) unless its line says otherwise; `mask` marks the tokens of the answers, which are contiguous in
a row. What stands outside the mask is never read, not even as zero times something, so that padding changes no result.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Advantages(NamedTuple):
    """What each token was worth beyond expectation, and what the critic should have expected. 0 outside the mask."""

    advantages: Tensor
    """(B, T)"""
    returns: Tensor
    """(B, T)"""


def masked(values: Tensor, mask: Tensor) -> Tensor:
    """The values inside the mask, 0 outside (even where the values outside are not finite)."""
    return values.masked_fill(~mask, 0.0)


def masked_sum(values: Tensor, mask: Tensor) -> Tensor:
    """Sum over time inside the mask: (B,)."""
    return masked(values, mask).sum(dim=-1)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over all tokens inside the mask: a scalar; 0 where the mask is empty."""
    return masked(values, mask).sum() / mask.sum().clamp(min=1)


def masked_variance(values: Tensor, mask: Tensor) -> Tensor:
    """Variance (dividing by n) over all tokens inside the mask: a scalar."""
    return masked_mean((values - masked_mean(values, mask)).square(), mask)


def masked_whiten(values: Tensor, mask: Tensor, shift_mean: bool = True) -> Tensor:
    """Values scaled to standard deviation 1 over all tokens inside the mask, mean 0 unless `shift_mean` is off."""
    mean = masked_mean(values, mask)
    white = (values - mean) * torch.rsqrt(masked_variance(values, mask) + 1e-8)
    return masked(white if shift_mean else white + mean, mask)


def k1(logprobs: Tensor, reference: Tensor) -> Tensor:
    """KL(policy ‖ reference) per token in nats, estimator k1 (Schulman 2020): unbiased, may be negative."""
    return logprobs - reference


def k3(logprobs: Tensor, reference: Tensor) -> Tensor:
    """KL(policy ‖ reference) per token in nats, estimator k3 (Schulman 2020): unbiased, never negative."""
    return torch.expm1(reference - logprobs) - (reference - logprobs)


def last(mask: Tensor) -> Tensor:
    """Position of each row's last token inside the mask: (B,) int64; 0 for a row without any."""
    return (torch.arange(mask.shape[1], device=mask.device) * mask).amax(dim=1)


def token_rewards(scores: Tensor, kl: Tensor, mask: Tensor, coefficient: float) -> Tensor:
    """Per token the KL penalty, and on an answer's last token its score (B,) as well (Ziegler et al. 2019, 2.1)."""
    rewards = masked(-coefficient * kl, mask)
    return rewards.scatter_add(1, last(mask)[:, None], scores.to(rewards)[:, None])


def gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> Advantages:
    """Generalised advantage estimation (Schulman et al. 2016, eq. 16); an answer's end is terminal.

    `values[:, t]` is the expectation *before* token t was chosen.
    """
    rewards, values = masked(rewards, mask), masked(values, mask)
    following = torch.cat([values[:, 1:], torch.zeros_like(values[:, :1])], dim=1)
    deltas = rewards + gamma * following - values
    advantages = torch.zeros_like(values)
    carried = torch.zeros_like(values[:, 0])
    for t in reversed(range(values.shape[1])):
        # after an answer nothing is carried into its last token: `carried` is 0 outside the mask
        carried = torch.where(mask[:, t], deltas[:, t] + gamma * lam * carried, 0.0)
        advantages[:, t] = carried
    return Advantages(advantages, masked(advantages + values, mask))


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """Share of the returns' variance that the critic foresaw: a scalar, 1 at best, 0 for a constant guess."""
    return 1 - masked_variance(returns - values, mask) / masked_variance(returns, mask).clamp(min=1e-8)
