"""What is timed of a sampler: its start, the next version of the policy, and answers to many prompts."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from models.policy import Policy
from models.rollout import Rollout, SamplingSettings, sample
from models.sampling_speed import SamplerSpeed, measure
from models.shared_base import SharedBase
from tests.models.adapted import moved


class Noted:
    """A sampler that notes what it is asked: prompts, the limit, and the sum of the policy's weights."""

    def __init__(self) -> None:
        self.asked: list[tuple[Sequence[Sequence[int]], int, Tensor]] = []
        self.tokens = 0

    def __call__(
        self,
        policy: Policy,
        prompts: Sequence[Sequence[int]],
        sampling: SamplingSettings,
        limit: int,
        *arguments: Any,
        **options: Any,
    ) -> Rollout:
        weights = torch.stack([weight.detach().double().sum() for weight in policy.network.parameters()])
        self.asked.append((prompts, limit, weights))
        assert sampling.batch == 5
        rollout = sample(policy, prompts, sampling, limit, *arguments, **options)
        self.tokens = int(rollout.batch.response.sum())
        return rollout


def test_a_rate_is_that_of_the_last_answers() -> None:
    assert SamplerSpeed(start=9.0, hand_over=1.0, tokens=30, seconds=2.0).rate == 15


def test_the_start_a_hand_over_and_many_answers_are_timed(tiny: Policy) -> None:
    policy, sampler = (
        Policy(moved(SharedBase(tiny.model, tiny.tokenizer, "a" * 64), "policy", 1), tiny.tokenizer),
        Noted(),
    )
    speed = measure(sampler, policy, rows=5, length=3, limit=4)
    assert [(len(prompts), limit) for prompts, limit, _ in sampler.asked] == [(1, 1), (1, 1), (5, 4)]
    assert {len(prompt) for prompts, _, _ in sampler.asked for prompt in prompts} == {3}
    first, changed, same = (weights for _, _, weights in sampler.asked)
    assert (changed > first).all()
    assert torch.equal(changed, same)
    assert speed.tokens == sampler.tokens
    assert min(speed.start, speed.hand_over, speed.seconds) > 0
