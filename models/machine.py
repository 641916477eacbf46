"""How much memory this machine has (of the computer, of its container, of a GPU), and how much this process has."""

import os
from pathlib import Path
from typing import NamedTuple

import torch

LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Files with the limit of a container (cgroup version 2, version 1); `max` is none."""
CONTEXT = 600 * 2**20
"""Bytes of a GPU that its driver and libraries take."""


class Machine(NamedTuple):
    """Bytes of memory, and of disk."""

    memory: int
    """Of the computer, or of its container."""
    gpu: int | None
    """Of the GPU that is used; None without one."""
    disk: int | None = None
    """Bytes that a round may fill; None if nobody looked."""
    gpus: int = 0
    """Number of GPUs."""

    @property
    def for_models(self) -> int:
        """Where the models are: the GPU if there is one."""
        return self.memory if self.gpu is None else self.gpu - CONTEXT


def machine() -> Machine:
    """The machine that this process runs on, without its disk, which depends on the workspace."""
    gpu = torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else None
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(min([total, *limits(LIMITS)]), gpu, gpus=torch.cuda.device_count())


def limits(files: tuple[Path, ...]) -> list[int]:
    """The limits that these files state, in bytes; a file without a number states none."""
    texts = [file.read_text().strip() for file in files if file.exists()]
    return [int(text) for text in texts if text.isdigit()]


def gpus() -> int:
    """How many GPUs this process computes on."""
    return 1 if torch.cuda.is_available() else 0


def forget_gpu_peak() -> None:
    """Let `gpu_peak` begin anew."""
    if gpus():
        torch.cuda.reset_peak_memory_stats()


def gpu_peak() -> int:
    """The most bytes of the GPU that tensors of this process had at once since `forget_gpu_peak`; 0 without a GPU."""
    return torch.cuda.max_memory_allocated() if gpus() else 0


def peak_memory() -> int:
    """The highest resident memory of this process so far, in bytes."""
    return _status("VmHWM")


def resident_memory() -> int:
    """The resident memory of this process now, in bytes."""
    return _status("VmRSS")


def _status(name: str) -> int:
    """A line of /proc/self/status, which Linux gives in KiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    [line] = [line for line in lines if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024
