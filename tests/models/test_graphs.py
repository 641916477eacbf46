"""Which steps are recorded, when, and with what; `recorded.record` stands for CUDA graphs."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from models import graphs
from models.buckets import Bucket
from models.compute import computing
from models.graphs import Eager, Graphed, RecordedStep, Step
from tests.models import families
from tests.models.recorded import record

CPU = torch.device("cpu")
SMALL, LARGE = Bucket(1, 64), Bucket(2, 64)


class Doubling:
    """A step that doubles a number, and counts how often its Python runs."""

    def __init__(self) -> None:
        self.input, self.runs = torch.zeros(1), 0

    def __call__(self) -> Tensor:
        self.runs += 1
        return self.input * 2


class Recorder:
    """Records, and notes the memory that it was given and whether casts are cached."""

    def __init__(self) -> None:
        self.pools: list[Any] = []
        self.cached: list[bool] = []

    def __call__(self, step: Step, pool: Any) -> RecordedStep:
        self.pools.append(pool)
        self.cached.append(torch.is_autocast_cache_enabled())
        return record(step, pool)


def failing(error: Exception) -> Callable[[Step, Any], RecordedStep]:
    def fail(step: Step, pool: Any) -> RecordedStep:
        raise error

    return fail


def test_a_step_is_recorded_once_a_bucket_and_then_replayed() -> None:
    step, graphed = Doubling(), Graphed(record, CPU)
    for value in (1.0, 2.0, 3.0):
        step.input.fill_(value)
        assert graphed(SMALL, step).item() == 2 * value
    assert (step.runs, graphed.buckets) == (1, [SMALL])
    assert graphed(LARGE, step).item() == 6.0
    assert (step.runs, graphed.buckets) == (2, [SMALL, LARGE])


def test_a_forgotten_step_is_recorded_again() -> None:
    step, graphed = Doubling(), Graphed(record, CPU)
    graphed(SMALL, step)
    graphed.forget()
    step.input = torch.full((1,), 4.0)  # at another address
    assert graphed(SMALL, step).item() == 8.0
    assert step.runs == 2


def test_recorded_steps_share_the_memory_of_the_first() -> None:
    recorder = Recorder()
    graphed = Graphed(recorder, CPU)
    graphed(SMALL, Doubling())
    graphed(LARGE, Doubling())
    graphed(Bucket(4, 64), Doubling())
    assert recorder.pools[0] is None
    assert recorder.pools[1] is recorder.pools[2] is not None
    graphed.forget()
    graphed(SMALL, Doubling())
    assert recorder.pools[3] is None  # its memory is freed with the last step that uses it


def test_casts_are_not_cached_while_a_step_is_recorded() -> None:
    recorder = Recorder()
    graphed = Graphed(recorder, CPU)
    with computing(CPU, "bfloat16"):
        graphed(SMALL, Doubling())
        assert torch.is_autocast_cache_enabled()
    assert recorder.cached == [False]


def test_a_step_that_reads_on_the_host_is_run_anew(caplog: pytest.LogCaptureFixture) -> None:
    graphed, numbers = Graphed(record, CPU), torch.ones(1)

    def step() -> Tensor:
        return numbers * (2 if numbers.item() > 0 else 3)

    assert [graphed(SMALL, step).item() for _ in range(3)] == [2.0] * 3
    numbers.fill_(-1.0)
    assert graphed(LARGE, step).item() == -3.0
    assert graphed.buckets == []
    assert [record.name for record in caplog.records] == ["models.graphs"]  # once


def test_too_little_memory_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        Graphed(failing(torch.OutOfMemoryError("full")), CPU)(SMALL, Doubling())


def test_an_eager_runner_runs_each_step() -> None:
    step, eager = Doubling(), Eager()
    eager(SMALL, step)
    eager.forget()
    eager(SMALL, step)
    assert step.runs == 2


@pytest.mark.parametrize("name", ["llama dynamic", "qwen3_moe", "bloom"])
def test_models_that_are_not_recorded(name: str) -> None:
    model = families.model(name)
    assert graphs.why_not(model)
    assert isinstance(graphs.runner(model), Eager)


def test_models_whose_attention_is_not_known_are_not_recorded() -> None:
    model = families.model("llama")
    assert graphs.why_not(model) is None
    assert isinstance(graphs.runner(model), Graphed)
    model.config._attn_implementation = "flash_attention_2"
    assert graphs.why_not(model)


def test_models_on_several_devices_are_not_recorded() -> None:
    model = families.model("llama")
    model.lm_head.to("meta")
    assert graphs.why_not(model)


def test_the_state_of_a_model_is_its_addresses_and_the_type_it_computes_in() -> None:
    model = families.model("llama")
    before = graphs.state(model)
    with torch.no_grad():
        next(model.parameters()).mul_(2.0)
    assert graphs.state(model) == before
    with computing(CPU, "bfloat16"):
        assert graphs.state(model) != before
    model.lm_head.weight.data = model.lm_head.weight.data.clone()
    assert graphs.state(model) != before
