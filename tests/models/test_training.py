"""What training leaves in memory: the weights."""

import pytest
import torch
from torch import nn
from torch.optim import AdamW

from models.training import training


def trained() -> tuple[nn.Linear, AdamW]:
    """A layer with gradients, and an optimiser with moments."""
    layer = nn.Linear(2, 1)
    optimiser = AdamW(layer.parameters(), fused=True)
    torch.autograd.backward(layer(torch.ones(2)))
    optimiser.step()
    return layer, optimiser


def test_gradients_and_moments_are_freed_at_the_end() -> None:
    layer, optimiser = trained()
    with training(optimiser):
        assert layer.weight.grad is not None
        assert len(optimiser.state) == 2
    assert layer.weight.grad is None
    assert not optimiser.state


def test_they_are_freed_where_training_stops_with_an_error() -> None:
    layer, optimiser = trained()
    with pytest.raises(ValueError, match="stop"), training(optimiser):
        raise ValueError("stop")
    assert layer.weight.grad is None
    assert not optimiser.state
