import random
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from models.seeding import generator, seed_everything, set_threads


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = torch.random.get_rng_state(), np.random.get_state(), random.getstate()
    yield
    torch.random.set_rng_state(before[0])
    np.random.set_state(before[1])
    random.setstate(before[2])


def drawn(*parts: str) -> tuple[float, float, float]:
    seed_everything(*parts)
    return torch.rand(1).item(), float(np.random.random()), random.random()


def test_the_parts_seed_every_generator() -> None:
    first, again, other = drawn("7", "sft"), drawn("7", "sft"), drawn("7", "reward")
    assert first == again
    assert all(a != b for a, b in zip(first, other, strict=True))


def test_seeding_leaves_the_number_of_threads() -> None:
    threads = torch.get_num_threads()
    set_threads(threads + 1)
    seed_everything("7", "sft")
    assert torch.get_num_threads() == threads + 1
    set_threads(threads)


def test_a_generator_of_63_bits() -> None:
    first, again = (torch.rand(2, generator=generator(2**63 - 1)) for _ in range(2))
    assert torch.equal(first, again)
