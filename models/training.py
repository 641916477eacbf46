"""Optimisers, and when the memory that they use is freed."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch.optim import Optimizer


@contextmanager
def training(optimiser: Optimizer) -> Iterator[None]:
    """Inside, an optimiser trains its weights; at the end their gradients and its state are freed."""
    try:
        yield
    finally:
        free(optimiser)


def free(optimiser: Optimizer) -> None:
    """Free the gradients of the weights of an optimiser, and its state.

    The weights outlive their training and would keep the gradients. A learning rate schedule and its optimiser refer to
    each other, so that the state would stay until the garbage collector runs.
    """
    optimiser.zero_grad()
    optimiser.state.clear()
