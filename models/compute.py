"""How models compute: the type of number, chosen for the processor, and how much is in memory at a time.

bfloat16 halves the memory of weights and activations. Whether it is also fast depends on the processor: on a CPU with
AVX2 alone it runs at a quarter of the speed of float32, with AVX512-BF16 or AMX at twice (docs/engine.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

import torch

Dtype = Literal["float32", "bfloat16", "auto"]
"""What a workspace sets."""
Computed = Literal["float32", "bfloat16"]
"""What a round computes in."""
Precision = Literal["float32", "tf32", "bfloat16"]
"""How exactly matrices are multiplied: TF32 is float32 whose inputs a GPU rounds to 10 bits of mantissa."""


class Sharding(NamedTuple):
    """The weights of a network are divided among the ranks (`models.sharding`)."""

    offload: bool = False
    """Keep weights, gradients and moments in the memory of the CPU while a GPU computes."""


class Compute(NamedTuple):
    """How a network computes. Only the type changes results by more than rounding."""

    dtype: Computed = "float32"
    microbatch_tokens: int = 2048
    """Tokens in one forward pass, padding included."""
    recompute: bool = False
    """Keep few activations of a forward pass, and compute the others again in the backward pass (gradient
    checkpointing; Chen et al. 2016)."""
    compact: bool = False
    """On a CPU, return the memory of large tensors to the system when they are freed (`models.allocation`)."""
    sharding: Sharding | None = None
    """Where several ranks train: divide the weights among them. Otherwise each rank has all."""


IN_FLOAT32 = Compute()


def device() -> torch.device:
    """The GPU if there is one, otherwise the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def chosen(dtype: Dtype) -> Computed:
    """The type that `auto` stands for on this machine; every other type is itself."""
    if dtype != "auto":
        return dtype
    return "bfloat16" if _fast_in_bfloat16() else "float32"


def torch_type(dtype: Computed) -> torch.dtype:
    """The type as torch names it."""
    return torch.bfloat16 if dtype == "bfloat16" else torch.float32


def precision(device: torch.device, dtype: Computed) -> Precision:
    """How exactly a network on this device multiplies matrices, as `models.kernels` has set up the process."""
    if dtype == "bfloat16":
        return dtype
    return "tf32" if device.type == "cuda" and torch.backends.cuda.matmul.allow_tf32 else dtype


@contextmanager
def computing(device: torch.device, dtype: Computed) -> Iterator[None]:
    """Compute in this type inside, whatever the type of the weights; sums, softmax and losses stay in float32."""
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == "bfloat16"):
        yield


def _fast_in_bfloat16() -> bool:
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
