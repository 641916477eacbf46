"""A step runs with the seed, the number of threads and the kernels of its round."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from tasks import steps
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.workspace import Workspace


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
    torch.use_deterministic_algorithms(False)


def opened(root: Path, values: Mapping[str, Any]) -> Round:
    return Round(Workspace(root), 1, None, 5, "salt", None, (), values)


@pytest.mark.parametrize(("values", "threads"), [({"model": {"threads": 2}}, 2), ({"model": {}}, 1), ({}, 1)])
def test_a_step_runs_with_the_threads_of_its_round(tmp_path: Path, values: Mapping[str, Any], threads: int) -> None:
    settings: list[tuple[int, bool, float]] = []

    def reward(round: Round, log: StepLog) -> None:
        deterministic = torch.are_deterministic_algorithms_enabled()
        settings.append((torch.get_num_threads(), deterministic, torch.rand(1).item()))

    for _ in range(2):
        steps.run(reward, opened(tmp_path, values), StepLog())
    assert settings[0] == settings[1]
    assert settings[0][:2] == (threads, True)
