import math

import pytest
import torch
from torch import Tensor

from models.losses import policy_loss, value_loss


def loss_at(ratio: float, advantage: float) -> tuple[float, bool]:
    """Loss and clip flag of one token whose probability changed by `ratio`."""
    result = policy_loss(torch.tensor([math.log(ratio)]), torch.zeros(1), torch.tensor([advantage]), 0.2, dual_clip=3.0)
    return result.loss.item(), bool(result.clipped.item())


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "clipped"),
    [
        (1.0, 2.0, -2.0, False),
        (1.1, 2.0, -2.2, False),
        (1.5, 2.0, -2.4, True),  # clipped at 1 + ε
        (0.5, 2.0, -1.0, False),  # not clipped: the objective is the pessimistic bound
        (0.5, -1.0, 0.8, True),
        (2.0, -1.0, 2.0, False),
        (9.0, -1.0, 3.0, True),  # the dual clip
    ],
)
def test_clipped_loss_by_hand(ratio: float, advantage: float, loss: float, clipped: bool) -> None:
    actual_loss, actual_clipped = loss_at(ratio, advantage)
    assert actual_loss == pytest.approx(loss, rel=1e-5)
    assert actual_clipped == clipped


def test_an_extreme_ratio_gives_a_finite_loss() -> None:
    result = policy_loss(torch.tensor([0.0]), torch.tensor([-200.0]), torch.tensor([-1.0]), 0.2, 3.0)
    assert result.loss.item() == 3.0
    assert math.isfinite(result.kl.item())


def test_approximate_kl_by_hand() -> None:
    result = policy_loss(torch.tensor([math.log(2.0)]), torch.zeros(1), torch.ones(1), 0.2, 3.0)
    assert result.kl.item() == pytest.approx(2 - 1 - math.log(2))


def surrogate(parameters: Tensor) -> Tensor:
    """Mean loss of a two-parameter policy: token 0 has probability σ(a + b·x), token 1 the rest."""
    x = torch.tensor([-1.0, 0.5, 2.0, 3.0], dtype=torch.float64)
    token = torch.tensor([0.0, 1.0, 0.0, 1.0], dtype=torch.float64)
    old = torch.tensor([-0.9, -0.3, -2.0, -0.5], dtype=torch.float64)
    advantages = torch.tensor([1.0, -0.5, 0.7, -2.0], dtype=torch.float64)
    logits = parameters[0] + parameters[1] * x
    new = torch.nn.functional.logsigmoid(logits * (1 - 2 * token))
    return policy_loss(new, old, advantages, 0.2, 3.0).loss.mean()


@pytest.mark.parametrize("point", [(0.0, 0.0), (0.3, -0.2), (-0.4, 0.6)])
def test_gradient_agrees_with_a_finite_difference(point: tuple[float, float]) -> None:
    parameters = torch.tensor(point, dtype=torch.float64, requires_grad=True)
    [gradient] = torch.autograd.grad(surrogate(parameters), parameters)
    for i, derivative in enumerate(gradient):
        step = 1e-6 * torch.eye(2, dtype=torch.float64)[i]
        difference = (surrogate(parameters.detach() + step) - surrogate(parameters.detach() - step)) / 2e-6
        assert derivative.item() == pytest.approx(difference.item(), abs=1e-7)


def test_value_loss_by_hand() -> None:
    new, old, returns = torch.tensor([1.1, 2.0, 2.0]), torch.tensor([1.0, 1.0, 1.0]), torch.tensor([1.5, 2.0, 0.0])
    # within the clip range; equal to the return, but clipped to 1.2; unclipped error larger
    torch.testing.assert_close(value_loss(new, old, returns, 0.2), torch.tensor([0.08, 0.32, 2.0]))
