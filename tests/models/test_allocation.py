"""Memory of freed tensors is returned where that is wanted."""

import os
import subprocess
import sys
from pathlib import Path

import torch

from models.allocation import compact, prepare

CPU = torch.device("cpu")
MB = 2**20


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def kept_after_freeing(each: int) -> int:
    """Resident bytes that stay when half of 128 MB in tensors of so many bytes are freed, between which others stay."""
    before = resident()
    tensors = [torch.zeros(each // 4) for _ in range(128 * MB // each)]
    del tensors[::2]
    return resident() - before


def test_freed_tensors_between_others_are_returned_in_training() -> None:
    with compact(CPU, wanted=True):
        assert kept_after_freeing(MB // 2) < 72 * MB


def test_elsewhere_only_larger_ones_are_returned_so_that_sampling_is_fast() -> None:
    prepare(CPU, wanted=True)
    with compact(CPU, wanted=True):
        pass
    assert kept_after_freeing(MB // 2) > 96 * MB
    assert kept_after_freeing(2 * MB) < 72 * MB


def test_a_large_piece_that_sampling_has_freed_is_not_cut_in_training() -> None:
    prepare(CPU, wanted=True)
    before = resident()
    sampled = [torch.zeros(4 * MB // 4) for _ in range(32)]
    small = torch.zeros(1000)  # above it on the heap, so that the heap does not end below
    del sampled
    with compact(CPU, wanted=True):
        kept = kept_after_freeing(MB)
    assert resident() - before < 8 * MB
    assert kept < 72 * MB
    assert small.sum() == 0


def test_nothing_is_set_unless_it_is_wanted() -> None:
    script = """
from tests.models.test_allocation import CPU, MB, kept_after_freeing
from models.allocation import compact, prepare
prepare(CPU, wanted=False)
with compact(CPU, wanted=False):
    kept_after_freeing(MB)  # glibc's own threshold rises with the first large tensor that is freed
    assert kept_after_freeing(MB) > 96 * MB
"""
    subprocess.run([sys.executable, "-c", script], check=True)
