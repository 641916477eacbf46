"""Parts of a computation in threads of their own."""

import threading
from collections.abc import Iterator
from threading import Event
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from models import side_by_side

CPU, GPU = torch.device("cpu"), torch.device("cuda")
PLAIN = nn.Linear(1, 1)


@pytest.fixture(autouse=True)
def _three_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(threads)


def test_there_is_a_part_for_each_thread() -> None:
    assert side_by_side.parts([5, 6, 7, 8, 9], PLAIN, CPU) == [[5], [6, 7], [8, 9]]
    assert side_by_side.parts([5, 6], PLAIN, CPU) == [[5], [6]]
    assert side_by_side.parts([5, 6, 7, 8, 9], PLAIN, GPU) == [[5, 6, 7, 8, 9]]


@pytest.mark.parametrize("kind", ["dynamic", {"full_attention": "longrope", "sliding_attention": "default"}])
def test_a_model_whose_forward_pass_changes_it_is_used_by_one_thread(kind: object) -> None:
    model = nn.Sequential(nn.Linear(1, 1))
    model[0].rope_type = kind  # type: ignore[assignment]  # transformers sets such an attribute
    assert side_by_side.parts([5, 6, 7], model, CPU) == [[5, 6, 7]]
    assert side_by_side.parts([5, 6, 7], nn.Sequential(PLAIN), CPU) == [[5], [6], [7]]


def test_each_part_is_computed_in_a_thread_of_its_own_on_one_core() -> None:
    together = threading.Barrier(3, timeout=60)

    def square(part: int, stop: Event) -> tuple[int, int]:
        together.wait()  # passes only if all three are computed at once
        return part * part, torch.get_num_threads()

    assert side_by_side.compute(square, [2, 3, 4]) == [(4, 1), (9, 1), (16, 1)]
    assert torch.get_num_threads() == 3


def test_one_part_is_computed_by_all_threads() -> None:
    assert side_by_side.compute(lambda part, stop: (part, torch.get_num_threads()), [2]) == [(2, 3)]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_stops_the_other_parts(error: type[BaseException]) -> None:
    stopped = SimpleNamespace(parts=0)

    def fail_or_wait(part: int, stop: Event) -> None:
        if part == 0:
            raise error("no")
        assert stop.wait(timeout=60)
        stopped.parts += 1

    with pytest.raises(error, match="no"):
        side_by_side.compute(fail_or_wait, [0, 1])
    assert (stopped.parts, torch.get_num_threads()) == (1, 3)
