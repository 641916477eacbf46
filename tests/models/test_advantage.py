import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models import advantage

T, F = True, False
# three answers of 3, 2 and 1 tokens; the second row begins with a prompt token, the third ends with padding
MASK = torch.tensor([[T, T, T], [F, T, T], [T, F, F]])


def test_masked_mean_and_sum_ignore_nan_and_inf_outside_the_mask() -> None:
    values = torch.tensor([[1.0, 2.0, 3.0], [math.nan, 4.0, 5.0], [9.0, math.inf, math.nan]])
    assert advantage.masked_mean(values, MASK).item() == pytest.approx(24 / 6)
    assert advantage.masked_sum(values, MASK).tolist() == [6.0, 9.0, 9.0]


def test_mean_over_an_empty_mask_is_zero() -> None:
    assert advantage.masked_mean(torch.ones(2, 2), torch.zeros(2, 2, dtype=torch.bool)).item() == 0.0


def test_whitening_by_hand() -> None:
    values = torch.tensor([[1.0, 3.0, 99.0]])
    mask = torch.tensor([[T, T, F]])  # mean 2, standard deviation 1
    torch.testing.assert_close(advantage.masked_whiten(values, mask), torch.tensor([[-1.0, 1.0, 0.0]]))
    torch.testing.assert_close(advantage.masked_whiten(values, mask, shift_mean=False), torch.tensor([[1.0, 3.0, 0.0]]))


def test_kl_estimators_by_hand() -> None:
    logprobs, reference = torch.tensor([math.log(0.5)]), torch.tensor([math.log(0.25)])
    assert advantage.k1(logprobs, reference).item() == pytest.approx(math.log(2))
    assert advantage.k3(logprobs, reference).item() == pytest.approx(0.5 - 1 + math.log(2))  # r - 1 - log r, r = 1/2


def test_both_kl_estimators_are_unbiased() -> None:
    p, q = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.4, 0.4, 0.2])
    exact = (p * (p / q).log()).sum()
    for estimate in (advantage.k1, advantage.k3):
        torch.testing.assert_close((p * estimate(p.log(), q.log())).sum(), exact)


def test_last_token_of_each_row() -> None:
    assert advantage.last_position(MASK).tolist() == [2, 2, 0]


def test_token_rewards_by_hand() -> None:
    kl = torch.tensor([[1.0, 0.0, 2.0], [9.0, 1.0, 1.0], [2.0, 9.0, 9.0]])
    rewards = advantage.token_rewards(torch.tensor([1.0, -1.0, 0.5]), kl, MASK, coefficient=0.5)
    assert rewards.tolist() == [[-0.5, 0.0, 0.0], [0.0, -0.5, -1.5], [-0.5, 0.0, 0.0]]


def test_gae_by_hand() -> None:
    rewards = torch.tensor([[0.0, 0.0, 1.0], [9.0, 0.0, 2.0], [1.0, 9.0, 9.0]])
    values = torch.tensor([[0.5, 0.5, 0.5], [9.0, 1.0, 1.0], [2.0, 9.0, 9.0]])
    result = advantage.gae(rewards, values, MASK, gamma=1.0, lam=0.5)
    # row 0: deltas 0, 0, .5 → .5, .25, .125; row 1: deltas 0, 1 → 1, .5; row 2: 1 - 2 = -1
    assert result.advantages.tolist() == [[0.125, 0.25, 0.5], [0.0, 0.5, 1.0], [-1.0, 0.0, 0.0]]
    assert result.returns.tolist() == [[0.625, 0.75, 1.0], [0.0, 1.5, 2.0], [1.0, 0.0, 0.0]]


def test_gae_discounts_by_gamma() -> None:
    rewards, values = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.5, 0.5]])
    result = advantage.gae(rewards, values, torch.ones(1, 2, dtype=torch.bool), gamma=0.8, lam=0.5)
    torch.testing.assert_close(result.advantages, torch.tensor([[0.8 * 0.5 - 0.5 + 0.8 * 0.5 * 0.5, 0.5]]))


def test_explained_variance_is_one_if_perfect_and_zero_if_constant() -> None:
    returns = torch.tensor([[1.0, 2.0, 4.0], [math.nan, 0.0, 1.0], [3.0, math.nan, math.nan]])
    assert advantage.explained_variance(returns.clone(), returns, MASK).item() == pytest.approx(1.0)
    assert advantage.explained_variance(torch.full((3, 3), 7.0), returns, MASK).item() == pytest.approx(0.0, abs=1e-6)


numbers = st.floats(-5, 5, width=32)


@st.composite
def episodes(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor]:
    """Rewards, values and the mask of a few right-padded answers of one to five tokens."""
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    mask = torch.arange(5) < torch.tensor(lengths)[:, None]
    cells = st.lists(numbers, min_size=mask.numel(), max_size=mask.numel())
    rewards, values = (torch.tensor(draw(cells)).reshape(mask.shape) for _ in range(2))
    return rewards, values, mask


@settings(deadline=None, max_examples=50)
@given(episodes(), st.integers(0, 3), st.integers(0, 3))
def test_padding_never_changes_an_advantage(episode: tuple[Tensor, Tensor, Tensor], before: int, after: int) -> None:
    rewards, values, mask = episode

    def widen(tensor: Tensor, filler: float) -> Tensor:
        return torch.nn.functional.pad(tensor, (before, after), value=filler)

    wide = widen(mask, False)
    plain = advantage.gae(rewards, values, mask, 0.9, 0.95)
    padded = advantage.gae(widen(rewards, 1e6), widen(values, math.nan), wide, 0.9, 0.95)
    assert torch.equal(padded.advantages[wide], plain.advantages[mask])
    torch.testing.assert_close(
        advantage.masked_whiten(padded.advantages, wide)[wide],
        advantage.masked_whiten(plain.advantages, mask)[mask],
        rtol=1e-4,
        atol=1e-4,
    )


@settings(deadline=None, max_examples=50)
@given(episodes())
def test_with_lambda_and_gamma_one_the_return_is_the_sum_of_later_rewards(
    episode: tuple[Tensor, Tensor, Tensor],
) -> None:
    rewards, values, mask = episode
    returns = advantage.gae(rewards, values, mask, gamma=1.0, lam=1.0).returns
    reward_to_go = advantage.masked(rewards, mask).flip(1).cumsum(1).flip(1)
    torch.testing.assert_close(returns, advantage.masked(reward_to_go, mask), rtol=1e-4, atol=1e-4)
