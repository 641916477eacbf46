from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from models.sampling import BLOCK, draw, draw_from_all, draw_in_blocks

Draw = Callable[[Tensor, Tensor], Tensor]
both = pytest.mark.parametrize("function", [draw_from_all, draw_in_blocks])


@both
def test_tokens_are_drawn_by_inverse_transform_sampling(function: Draw) -> None:
    logprobs = torch.tensor([[0.25, 0.0, 0.75]]).log().expand(4, 3)
    uniforms = torch.tensor([0.0, 0.2499, 0.25, 0.9999], dtype=torch.float64)
    assert function(logprobs, uniforms).tolist() == [0, 0, 2, 2]


@both
def test_a_token_without_probability_is_never_drawn(function: Draw) -> None:
    vocabulary = torch.full((3 * BLOCK,), -torch.inf)
    vocabulary[[5, BLOCK, 2 * BLOCK + 7]] = torch.tensor([0.5, 0.25, 0.25]).log()
    edges = torch.tensor([0.0, 0.5, 0.75, 1 - 2**-52], dtype=torch.float64)
    uniforms = torch.cat([torch.rand(5000, dtype=torch.float64), edges])
    drawn = function(vocabulary.expand(len(uniforms), -1), uniforms)
    assert set(drawn.tolist()) == {5, BLOCK, 2 * BLOCK + 7}


@pytest.mark.parametrize("vocabulary", [3, BLOCK, 1000, 50_257])
def test_both_ways_draw_the_same_tokens(vocabulary: int) -> None:
    noise = torch.Generator().manual_seed(vocabulary)
    logprobs = (torch.randn(64, vocabulary, generator=noise) * 3).log_softmax(dim=-1)
    uniforms = torch.rand(64, dtype=torch.float64, generator=noise)
    assert draw_in_blocks(logprobs, uniforms).tolist() == draw_from_all(logprobs, uniforms).tolist()


def test_on_a_cpu_the_sums_are_over_the_whole_vocabulary() -> None:
    """Weights of a round depend on the sampled tokens to the last bit."""
    logprobs = torch.randn(8, 1000, generator=torch.Generator().manual_seed(0)).log_softmax(dim=-1)
    uniforms = torch.rand(8, dtype=torch.float64)
    assert torch.equal(draw(logprobs, uniforms), draw_from_all(logprobs, uniforms))
