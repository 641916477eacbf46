"""How fast a sampler is: until its first answer, until it answers with the next version of a policy, and by token."""

from time import perf_counter
from typing import NamedTuple

import torch

from models.policy import Policy
from models.rollout import Sampler, SamplingSettings
from models.seeding import generator

CHANGE = 1e-3
"""Added to each weight of an adapter, so that it is another version."""


class SamplerSpeed(NamedTuple):
    """What was measured of one sampler."""

    start: float
    """Seconds until the first answer, of one token: for a server its start, the first hand-over and a forward pass."""
    hand_over: float
    """The same for the next version of the policy, when the sampler runs."""
    tokens: int
    """Tokens that were sampled then, one answer to each prompt."""
    seconds: float
    """For these tokens."""

    @property
    def rate(self) -> float:
        """Tokens per second."""
        return self.tokens / self.seconds


def measure(sampler: Sampler, policy: Policy, rows: int, length: int, limit: int) -> SamplerSpeed:
    """Time a sampler; the policy's adapter is changed.

    Args:
        sampler: has not sampled yet.
        policy: an adapter.
        rows: prompts that are answered at once.
        length: tokens of a prompt, which are random.
        limit: most tokens of an answer.
    """
    prompts = torch.randint(len(policy.tokenizer), (rows, length), generator=generator(0)).tolist()

    def timed(count: int, limit: int) -> tuple[float, int]:
        began = perf_counter()
        rollout = sampler(policy, prompts[:count], SamplingSettings(batch=rows), limit, generator(0))
        return perf_counter() - began, int(rollout.batch.response.sum())

    start, _ = timed(1, 1)
    with torch.no_grad():
        for weight in policy.network.parameters():
            weight.add_(CHANGE)
    hand_over, _ = timed(1, 1)
    seconds, tokens = timed(rows, limit)
    return SamplerSpeed(start, hand_over, tokens, seconds)
