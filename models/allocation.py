"""The allocator of the C library while a model is trained on a CPU.

glibc keeps freed memory and cuts it into smaller pieces. A forward pass allocates tensors of few sizes, most of which
it keeps for the backward pass, so that large pieces are soon cut and cannot be used again: a training step then has up
to twice the memory of its tensors (benchmarks/results/memory.md). With a fixed threshold, each larger tensor has pages
of its own, which the system gets back with the tensor. New pages take time of the system.

Large pieces that sampling has freed would be used before new pages, and be cut too. So outside of training there is a
threshold as well; it is higher, so that sampling, which allocates keys and values anew for each token, stays as fast.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

_TRAINING, _ELSEWHERE = 256 * 2**10, 2**20
"""Bytes from which on a tensor has pages of its own."""
_TRIM, _MMAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h


def prepare(device: torch.device, wanted: bool) -> None:
    """From now on large tensors have pages of their own, if wanted, on a CPU with glibc: before a model is used."""
    libc = _glibc() if wanted and device.type == "cpu" else None
    if libc is not None:
        _divide(libc, _ELSEWHERE)


@contextmanager
def compact(device: torch.device, wanted: bool) -> Iterator[None]:
    """Inside, the memory of freed tensors is returned at once, if wanted, on a CPU with glibc."""
    libc = _glibc() if wanted and device.type == "cpu" else None
    if libc is None:
        yield
        return
    _divide(libc, _TRAINING)
    libc.malloc_trim(0)  # what sampling left
    try:
        yield
    finally:
        _divide(libc, _ELSEWHERE)


def _divide(libc: ctypes.CDLL, size: int) -> None:
    libc.mallopt(_MMAP, size)
    libc.mallopt(_TRIM, 2 * size)


@cache
def _glibc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:  # another system
        return None
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
