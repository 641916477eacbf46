"""Parts of a computation in threads of their own."""

import threading
from threading import Event

import pytest
import torch
from torch import nn

from models import side_by_side

CPU, GPU = torch.device("cpu"), torch.device("cuda")
PLAIN = nn.Linear(1, 1)


@pytest.fixture(autouse=True)
def _three_threads(_one_thread: None) -> None:
    torch.set_num_threads(3)  # `_one_thread` restores the number


def test_there_is_a_part_for_each_thread() -> None:
    parts = side_by_side.parts(range(100), PLAIN, CPU)
    assert [list(part) for part in parts] == [[*range(33)], [*range(33, 66)], [*range(66, 100)]]
    assert side_by_side.parts(range(100), PLAIN, GPU) == [range(100)]


def test_no_part_is_small() -> None:
    sizes = {rows: [len(part) for part in side_by_side.parts(range(rows), PLAIN, CPU)] for rows in (1, 47, 48, 72)}
    assert sizes == {1: [1], 47: [47], 48: [24, 24], 72: [24, 24, 24]}


@pytest.mark.parametrize("kind", ["dynamic", {"full_attention": "longrope", "sliding_attention": "default"}])
def test_a_model_whose_forward_pass_changes_it_is_used_by_one_thread(kind: object) -> None:
    model = nn.Sequential(nn.Linear(1, 1))
    model[0].rope_type = kind  # type: ignore[assignment]  # transformers sets such an attribute
    assert len(side_by_side.parts(range(72), model, CPU)) == 1
    assert len(side_by_side.parts(range(72), nn.Sequential(PLAIN), CPU)) == 3


def test_each_part_is_computed_in_a_thread_of_its_own_on_one_core() -> None:
    together = threading.Barrier(3, timeout=60)

    def square(part: int, stop: Event) -> tuple[int, int]:
        together.wait()  # passes only if all three are computed at once
        return part * part, torch.get_num_threads()

    assert side_by_side.compute(square, [2, 3, 4]) == [(4, 1), (9, 1), (16, 1)]
    assert torch.get_num_threads() == 3


def test_one_part_is_computed_by_all_threads() -> None:
    assert side_by_side.compute(lambda part, stop: (part, torch.get_num_threads()), [2]) == [(2, 3)]


@pytest.mark.parametrize("failing", [0, 1])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_stops_the_other_parts(error: type[BaseException], failing: int) -> None:
    stopped: list[int] = []

    def fail_or_wait(part: int, stop: Event) -> None:
        if part == failing:
            raise error("no")
        assert stop.wait(timeout=60)
        stopped.append(part)

    with pytest.raises(error, match="no"):
        side_by_side.compute(fail_or_wait, [0, 1])
    assert (stopped, torch.get_num_threads()) == ([1 - failing], 3)
