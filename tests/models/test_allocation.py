"""Memory of freed tensors is returned where that is wanted. Each in a process of its own, whose heap is new."""

import subprocess
import sys

BEFORE = """
import os
from pathlib import Path
import torch
from models.allocation import compact, prepare

CPU, MB = torch.device("cpu"), 2**20

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

def kept_after_freeing(each):
    # resident bytes that stay when half of 128 MB in tensors of so many bytes are freed, between which others stay
    before = resident()
    tensors = [torch.zeros(each // 4) for _ in range(128 * MB // each)]
    del tensors[::2]
    return resident() - before
"""


def holds(script: str) -> None:
    """Run a script with assertions."""
    subprocess.run([sys.executable, "-c", BEFORE + script], check=True)


def test_freed_tensors_between_others_are_returned_in_training() -> None:
    holds("""
with compact(CPU, wanted=True):
    assert kept_after_freeing(MB // 2) < 72 * MB
""")


def test_elsewhere_only_larger_ones_are_returned_so_that_sampling_is_fast() -> None:
    holds("""
prepare(CPU, wanted=True)
with compact(CPU, wanted=True):
    pass
assert kept_after_freeing(2 * MB) < 72 * MB
assert kept_after_freeing(MB // 2) > 96 * MB
""")


def test_a_large_piece_that_sampling_has_freed_is_not_cut_in_training() -> None:
    holds("""
prepare(CPU, wanted=True)
before = resident()
sampled = [torch.zeros(4 * MB // 4) for _ in range(32)]
small = torch.zeros(1000)  # above it on the heap, so that the heap does not end below
del sampled
with compact(CPU, wanted=True):
    assert kept_after_freeing(MB) < 72 * MB
assert resident() - before < 8 * MB
assert small.sum() == 0
""")


def test_nothing_is_set_unless_it_is_wanted() -> None:
    holds("""
prepare(CPU, wanted=False)
with compact(CPU, wanted=False):
    kept_after_freeing(MB)  # glibc's own threshold rises with the first large tensor that is freed
    assert kept_after_freeing(MB) > 96 * MB
""")
