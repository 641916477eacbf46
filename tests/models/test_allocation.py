"""Memory of freed tensors is returned where that is wanted."""

import os
from pathlib import Path

import torch

from models.allocation import compact

CPU = torch.device("cpu")
MB = 2**20


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def kept_after_freeing(wanted: bool) -> int:
    """Resident bytes that stay when 64 tensors of 1 MB are freed, between which others stay."""
    with compact(CPU, wanted):
        before = resident()
        tensors = [torch.zeros(MB // 4) for _ in range(128)]
        del tensors[::2]
        return resident() - before


def test_freed_tensors_between_others_are_returned() -> None:
    assert kept_after_freeing(wanted=True) < 72 * MB


def test_the_usual_allocator_is_back_afterwards() -> None:
    kept_after_freeing(wanted=True)
    assert kept_after_freeing(wanted=False) > 96 * MB
