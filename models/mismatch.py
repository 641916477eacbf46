"""The difference between the sampler's log-probabilities and those of the trainer's forward pass, and its limits.

Both come from the same weights, so that they may differ only by rounding. A larger difference means that the policy is
trained on ratios of two different distributions.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from core.errors import BadModel
from models.compute import Precision
from models.seeding import generator

ROWS = 16
"""Most answers of an iteration that are recomputed."""
FEWEST, SHARE = 4, 8
"""One answer in `SHARE` is recomputed, and at least `FEWEST`: a whole forward pass of few answers costs a tenth."""


class RolloutMismatch(BadModel):
    """The log-probabilities of the sampler and of the forward pass differ by more than rounding."""


class Limit(NamedTuple):
    """The largest difference that training accepts, in nats per token."""

    statistic: str
    """`max` or `mean`, over the tokens that were compared"""
    nats: float


LIMITS: dict[Precision, Limit] = {
    "float32": Limit("max", 1e-3),
    "tf32": Limit("mean", 0.1 / 8),
    "bfloat16": Limit("mean", 0.1),
}
"""Measured: float32 7e-5 at most; bfloat16 .045 in the mean, .63 at most. TF32 is not measured: it has 3 bits more than
bfloat16."""


_CURES: dict[Precision, str] = {
    "float32": "; choose another base model if they are",
    "tf32": "; set NVIDIA_TF32_OVERRIDE=0 to see whether rounding is the cause",
    "bfloat16": "; set model.dtype=float32 to see whether rounding is the cause",
}


class Mismatch(NamedTuple):
    """Absolute differences of log-probabilities, in nats per token."""

    mean: float
    max: float


def rows(count: int, iteration: int, seed: int, size: int = ROWS) -> list[int]:
    """Indices of the rows to compare, sorted: an eighth of `count`, 4 to `size`, others in each iteration.

    A function of the arguments alone: it draws nothing from the generator of training.
    """
    order = torch.randperm(count, generator=generator(seed + iteration))
    return sorted(order[: min(size, max(FEWEST, -(-count // SHARE)))].tolist())


def measure(recomputed: Tensor, sampled: Tensor, response: Tensor) -> Mismatch:
    """Compare log-probabilities (B, T) of the same tokens where `response` (B, T) is true; NaN counts as infinite."""
    difference = (recomputed - sampled).abs()[response].nan_to_num(nan=torch.inf)
    if not len(difference):
        return Mismatch(0.0, 0.0)
    return Mismatch(difference.mean().item(), difference.max().item())


def check(mismatch: Mismatch, precision: Precision, model_type: str, iteration: int) -> None:
    """Stop training if the mismatch exceeds the limit for the precision of the forward passes.

    Raises:
        RolloutMismatch: above the limit.
    """
    limit = LIMITS[precision]
    value = getattr(mismatch, limit.statistic)
    if value <= limit.nats:
        return
    raise RolloutMismatch(
        f"iteration {iteration}: the sampler's log-probabilities of {model_type} differ from the forward pass by "
        f"{value:.3g} nats ({limit.statistic} per token), more than {limit.nats:g}, the limit for {precision}. Check "
        "that both use the same weights and adapter, that dropout is off, and that the model's cache, positions and "
        f"padding are right{_CURES[precision]}"
    )


def recomputes(precision: Precision) -> bool:
    """Whether the trainer must recompute the old log-probabilities, instead of those of the sampler: not in float32."""
    return precision != "float32"
