"""The clipped losses of PPO, token by token: pure functions of (batch, time) tensors."""

from typing import NamedTuple

import torch
from torch import Tensor

GUARD = 20.0  # nats: beyond it a ratio is e^±20 and says nothing but "far away"; keeps exp() finite


class PolicyLoss(NamedTuple):
    """The surrogate to minimise and how far the policy has moved. Read it inside the mask only."""

    loss: Tensor
    """(B, T)"""
    clipped: Tensor
    """(B, T) bool: tokens whose gradient the clip has cut."""
    kl: Tensor
    """(B, T) KL(old ‖ new) in nats, estimator k3 (Schulman 2020): never negative."""


def policy_loss(new: Tensor, old: Tensor, advantages: Tensor, clip: float, dual_clip: float) -> PolicyLoss:
    """The clipped surrogate (Schulman et al. 2017, eq. 7) with a floor under bad surprises (Ye et al. 2020, eq. 5).

    `new` and `old` are log-probabilities of the tokens taken. The dual clip bounds the loss of a token with a negative
    advantage at `dual_clip` × |advantage|, where one unlikely token could otherwise dominate the batch.
    """
    log_ratio = (new - old).clamp(-GUARD, GUARD)
    ratio = log_ratio.exp()
    free, cut = -advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)
    loss = torch.maximum(free, cut)
    bounded = torch.where(advantages < 0, torch.minimum(loss, -dual_clip * advantages), loss)
    with torch.no_grad():
        k3 = torch.expm1(log_ratio) - log_ratio
    return PolicyLoss(bounded, (cut > free) | (bounded < loss), k3)


def value_loss(new: Tensor, old: Tensor, returns: Tensor, clip: float) -> Tensor:
    """Half the squared error, the worse of the value and the value held within `clip` of the old one: (B, T)."""
    held = old + (new - old).clamp(-clip, clip)
    return 0.5 * torch.maximum((new - returns).square(), (held - returns).square())
