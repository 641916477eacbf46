"""Flags of torch, which exist without a GPU too. On a GPU nothing of this has run yet."""

from collections.abc import Iterator

import pytest
import torch

from models import kernels
from models.compute import Computed, Precision, precision

CPU, GPU = torch.device("cpu"), torch.device("cuda")
ANY, WARNING, ERROR = 0, 1, 2
"""What torch makes of a kernel that does not repeat: it is used, with a warning, or refused."""


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@pytest.mark.parametrize(
    ("device", "asked", "expected"),
    [(CPU, False, ERROR), (CPU, True, ERROR), (GPU, False, ANY), (GPU, True, WARNING)],
)
def test_a_cpu_always_repeats_and_a_gpu_where_asked(device: torch.device, asked: bool, expected: int) -> None:
    for other in (GPU, CPU):  # whatever the process did before
        kernels.use(other, not asked)
        kernels.use(device, asked)
        assert torch.get_deterministic_debug_mode() == expected


@pytest.mark.parametrize(
    ("device", "dtype", "expected"),
    [
        (CPU, "float32", "float32"),
        (CPU, "bfloat16", "bfloat16"),
        (GPU, "float32", "tf32"),
        (GPU, "bfloat16", "bfloat16"),
    ],
)
def test_a_gpu_multiplies_float32_in_tf32(device: torch.device, dtype: Computed, expected: Precision) -> None:
    kernels.use(device, deterministic=False)
    assert torch.backends.cuda.matmul.allow_tf32 == torch.backends.cudnn.allow_tf32 == (device == GPU)
    assert precision(device, dtype) == expected
    kernels.use(CPU, deterministic=False)
    assert precision(GPU, "float32") == "float32"  # a process that is not set up for a GPU
