"""Optimisers of weights that may be divided among ranks, and when the memory that they use is freed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grad_norm_, clip_grads_with_norm_, get_total_norm
from torch.optim import AdamW, Optimizer


def adamw(weights: Iterable[nn.Parameter], lr: float = 1e-3, weight_decay: float = 0.0, eps: float = 1e-8) -> AdamW:
    """AdamW (Loshchilov and Hutter 2019) for some weights. Divided ones come first, in a group of their own."""
    groups = [{"params": group} for group in _groups(list(weights))]
    return AdamW(groups, lr, eps=eps, weight_decay=weight_decay, fused=True)


def clip(weights: Sequence[nn.Parameter], limit: float) -> Tensor:
    """Scale the gradients of weights so that their L2 norm is at most `limit`; returns the norm before, a scalar."""
    groups = _groups(weights)
    if not isinstance(weights[0], DTensor) and len(groups) == 1:
        norm: Tensor = clip_grad_norm_(weights, limit)
        return norm
    norms = [_whole(get_total_norm([weight.grad for weight in group if weight.grad is not None])) for group in groups]
    norm = torch.linalg.vector_norm(torch.stack(norms))
    for group in groups:
        clip_grads_with_norm_(group, limit, norm)
    return norm


def load(optimiser: Optimizer, state: Mapping[str, Any]) -> None:
    """Replace the moments of an optimiser, which keeps its own settings."""
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state["state"]})


def layout(optimiser: Optimizer) -> dict[str, Any]:
    """A state of the form of the optimiser's own: how the moments of each weight are divided, as the weight is."""
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    return {"state": {index: {"exp_avg": weight, "exp_avg_sq": weight} for index, weight in enumerate(weights)}}


def _groups(weights: Sequence[nn.Parameter]) -> list[list[nn.Parameter]]:
    """The divided weights, and the others: an operation on several tensors takes only one kind."""
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for weight in weights:
        groups[isinstance(weight, DTensor)].append(weight)
    return [group for group in groups.values() if group]


def _whole(value: Tensor) -> Tensor:
    return value.full_tensor() if isinstance(value, DTensor) else value


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
