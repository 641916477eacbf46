"""PPO's clipped policy and value losses, per token: pure functions of (B, T) tensors."""

from typing import NamedTuple

import torch
from torch import Tensor

MAX_LOG_RATIO = 20.0  # nats; log-ratios are clamped to ± this value so that exp() stays finite


class PolicyLoss(NamedTuple):
    """The surrogate loss and how far the policy has moved. Values outside the mask are meaningless."""

    loss: Tensor
    """(B, T) to minimise: the negated surrogate objective"""
    clipped: Tensor
    """(B, T) bool: tokens whose loss is clipped, so that their gradient is 0"""
    kl: Tensor
    """(B, T) KL(old ‖ new) in nats, estimator k3 (Schulman 2020): never negative"""


def policy_loss(new: Tensor, old: Tensor, advantages: Tensor, clip: float, dual_clip: float) -> PolicyLoss:
    """Clipped surrogate objective, negated (Schulman et al. 2017, eq. 7), with dual clip (Ye et al. 2020, eq. 5).

    `new` and `old` are log-probabilities of the sampled tokens, in nats; `clip` is ε. For a negative advantage, the
    dual clip bounds the loss at `dual_clip` × |advantage|, so that one token with a large ratio cannot dominate.
    """
    log_ratio = (new - old).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
    ratio = log_ratio.exp()
    unclipped, clipped = -advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)
    loss = torch.maximum(unclipped, clipped)
    bounded = torch.where(advantages < 0, torch.minimum(loss, -dual_clip * advantages), loss)
    with torch.no_grad():
        k3 = torch.expm1(log_ratio) - log_ratio
    return PolicyLoss(bounded, (clipped > unclipped) | (bounded < loss), k3)


def value_loss(new: Tensor, old: Tensor, returns: Tensor, clip: float) -> Tensor:
    """Clipped value loss, as in OpenAI Baselines' PPO: (B, T).

    Half the larger of two squared errors: that of `new`, and that of `new` clipped to `old` ± `clip`.
    """
    clipped = old + (new - old).clamp(-clip, clip)
    return 0.5 * torch.maximum((new - returns).square(), (clipped - returns).square())
