"""Per-token rewards, KL estimators and GAE for PPO, on masked (batch, time) tensors.

Tensors are (B, T) unless stated otherwise. `mask` is bool and marks the answer tokens, contiguous in each row. Values
outside the mask are never read, not even multiplied by zero, so padding (NaN included) cannot change a result.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Advantages(NamedTuple):
    """Advantages and the critic's regression targets, in units of reward. 0 outside the mask."""

    advantages: Tensor
    """(B, T) float32"""
    returns: Tensor
    """(B, T) float32: advantages + values, the targets of the value loss"""


def masked(values: Tensor, mask: Tensor) -> Tensor:
    """`values` inside the mask, 0 outside, even where a value outside is NaN or infinite: (B, T)."""
    return values.masked_fill(~mask, 0.0)


def masked_sum(values: Tensor, mask: Tensor) -> Tensor:
    """Sum of each row's values inside the mask: (B,)."""
    return masked(values, mask).sum(dim=-1)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over all tokens inside the mask: a scalar; 0 for an empty mask."""
    return masked(values, mask).sum() / mask.sum().clamp(min=1)


def masked_variance(values: Tensor, mask: Tensor) -> Tensor:
    """Population variance (divides by n, not n - 1) over all tokens inside the mask: a scalar."""
    return masked_mean((values - masked_mean(values, mask)).square(), mask)


def masked_whiten(values: Tensor, mask: Tensor, shift_mean: bool = True) -> Tensor:
    """Whiten over all tokens inside the mask: standard deviation 1, mean 0; `shift_mean=False` keeps the mean."""
    mean = masked_mean(values, mask)
    whitened = (values - mean) * torch.rsqrt(masked_variance(values, mask) + 1e-8)
    return masked(whitened if shift_mean else whitened + mean, mask)


def k1(logprobs: Tensor, reference: Tensor) -> Tensor:
    """KL(policy ‖ reference) per token in nats, estimator k1 (Schulman 2020): unbiased, may be negative."""
    return logprobs - reference


def k3(logprobs: Tensor, reference: Tensor) -> Tensor:
    """KL(policy ‖ reference) per token in nats, estimator k3 (Schulman 2020): unbiased, never negative."""
    return torch.expm1(reference - logprobs) - (reference - logprobs)


def last_position(mask: Tensor) -> Tensor:
    """Position of the last token inside the mask in each row: (B,) int64; 0 for a row with no such token."""
    return (torch.arange(mask.shape[1], device=mask.device) * mask).amax(dim=1)


def token_rewards(scores: Tensor, kl: Tensor, mask: Tensor, coefficient: float) -> Tensor:
    """Per-token rewards: -coefficient × KL, plus the score (B,) at the last token (Ziegler et al. 2019, 2.1)."""
    rewards = masked(-coefficient * kl, mask)
    return rewards.scatter_add(1, last_position(mask)[:, None], scores.to(rewards)[:, None])


def gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> Advantages:
    """Generalised advantage estimation (GAE; Schulman et al. 2016, eq. 16). The end of an answer is a terminal state.

    `values[:, t]` is the value of the state *before* token t is chosen. `gamma` is the discount factor, `lam` is λ.
    """
    rewards, values = masked(rewards, mask), masked(values, mask)
    next_values = torch.cat([values[:, 1:], torch.zeros_like(values[:, :1])], dim=1)
    deltas = rewards + gamma * next_values - values
    advantages = torch.zeros_like(values)
    carried = torch.zeros_like(values[:, 0])
    for t in reversed(mask.any(dim=0).nonzero()[:, 0].tolist()):  # the columns of prompts alone are skipped
        # the end of an answer is terminal: nothing is carried into it, because `carried` is 0 outside the mask
        carried = torch.where(mask[:, t], deltas[:, t] + gamma * lam * carried, 0.0)
        advantages[:, t] = carried
    return Advantages(advantages, masked(advantages + values, mask))


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """1 - Var(returns - values) / Var(returns) inside the mask: a scalar; 1 is perfect, 0 is a constant prediction."""
    return 1 - masked_variance(returns - values, mask) / masked_variance(returns, mask).clamp(min=1e-8)
