"""The allocator of the C library while a model is trained on a CPU.

glibc keeps freed memory and cuts it into smaller pieces. A forward pass allocates tensors of few sizes, most of which
it keeps for the backward pass, so that large pieces are soon cut and cannot be used again: a training step then has up
to twice the memory of its tensors (benchmarks/results/memory.md). With a fixed threshold, each larger tensor has pages
of its own, which the system gets back with the tensor. New pages take time of the system.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

_THRESHOLD = 256 * 2**10
_USUAL = 32 * 2**20
"""The largest threshold, which glibc's own rule soon comes to, once such tensors have been freed."""
_TRIM, _MMAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h


@contextmanager
def compact(device: torch.device, wanted: bool) -> Iterator[None]:
    """Inside, the memory of freed tensors is returned at once, if wanted, on a CPU with glibc."""
    libc = _glibc() if wanted and device.type == "cpu" else None
    if libc is None:
        yield
        return
    libc.mallopt(_MMAP, _THRESHOLD)
    libc.malloc_trim(0)  # what sampling left
    try:
        yield
    finally:
        libc.mallopt(_MMAP, _USUAL)
        libc.mallopt(_TRIM, 2 * _USUAL)


@cache
def _glibc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:  # another system
        return None
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
