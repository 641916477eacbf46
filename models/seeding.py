"""Seeding of all random number generators, so that a repeated step gives the same result."""

import hashlib
import random

import numpy as np
import torch


def seed_everything(key: str, step: str) -> int:
    """Seed Python, NumPy and torch from a key and the step's name, and return the seed (63 bits)."""
    seed = int.from_bytes(hashlib.sha256(f"{key}\0{step}".encode()).digest()[:8]) >> 1
    random.seed(seed)
    np.random.seed(seed % 2**32)  # the legacy generator, which libraries still draw from
    torch.manual_seed(seed)
    return seed


def set_threads(threads: int) -> None:
    """Set how many threads torch computes with on the CPU: another number adds up in another order, so sums differ."""
    torch.set_num_threads(threads)


def generator(seed: int) -> torch.Generator:
    """A separate random number generator on the CPU: the same draws on every device, independent of global state."""
    return torch.Generator().manual_seed(seed)
