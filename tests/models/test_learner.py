import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.learner import adam, descend, draw


@given(st.integers(1, 20), st.integers(1, 30), st.integers(0, 5))
def test_each_pass_over_the_prompts_draws_every_prompt_once(count: int, size: int, seed: int) -> None:
    drawn = [i for iteration in range(4) for i in draw(count, size, iteration, seed)]
    for start in range(0, len(drawn) - count + 1, count):
        assert sorted(drawn[start : start + count]) == list(range(count))


def test_a_gradient_step_clips_the_norm_and_returns_the_norm_before_clipping() -> None:
    weight = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    norm = descend(weight.square().sum() / 2, adam([weight], 1.0), learning_rate=0.01, clip=1.0)
    assert norm.item() == pytest.approx(5.0)
    assert weight.grad is not None
    assert weight.grad.norm().item() == pytest.approx(1.0, rel=1e-5)
    assert weight.tolist() == pytest.approx([2.99, 3.99], abs=1e-4)  # Adam's first step is the learning rate
