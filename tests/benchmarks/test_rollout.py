"""The benchmark of sampling counts the same tokens in every way, on a tiny model."""

import pytest
import torch

from benchmarks.rollout import (
    LIMIT,
    ON_GPU,
    OURS,
    Speed,
    ends_of,
    limit,
    model_of,
    prompts_of,
    table,
    ways,
    with_generate,
    with_ours,
)
from models.graphs import Eager
from models.static_cache import StaticCache


def test_each_way_samples_answers_that_end_at_the_same_rate() -> None:
    model = model_of("tiny")
    prompts = prompts_of(model, 24)
    torch.manual_seed(0)
    tokens = [*(with_ours(model, prompts, pace) for pace in OURS.values()), with_generate(model, prompts)]
    assert tokens[0] == tokens[1]
    expected = sum(0.96**step for step in range(LIMIT))  # mean tokens of an answer
    assert all(0.6 * expected < count / len(prompts) < 1.4 * expected for count in tokens)
    assert len(ends_of(model)) == pytest.approx(0.04 * model.config.vocab_size, abs=1)


def test_the_limit_of_a_larger_batch_reads_the_weights_once() -> None:
    model = model_of("tiny")
    one, many = (limit(model, batch, 1e9) for batch in (1, 100))
    assert one < many < 100 * one
    weights = 4 * sum(weight.numel() for weight in model.parameters())
    assert one == pytest.approx(1e9 / weights, rel=0.15)


def test_a_way_that_was_not_measured_at_a_batch_has_a_dash() -> None:
    lines = table([Speed("a", 8, 100.0, 1e4), Speed("b", 8, 1234.0, 1e4), Speed("a", 32, 200.0, 2e4)]).splitlines()
    assert lines[2:] == ["| a | 100 | 200 |", "| b | 1,234 | – |", "| bandwidth limit | 10,000 | 20,000 |"]


def test_on_a_gpu_a_dynamic_cache_is_compared_with_a_static_one() -> None:
    model = model_of("tiny")
    compared = ways(False, StaticCache(model, Eager()))
    assert list(compared) == [*ON_GPU, "generate"]
    prompts = prompts_of(model, 3)
    assert len({compared[name](model, prompts) for name in ON_GPU}) == 1
    assert list(ways(True)) == [*OURS, "generate", "generate_batch"]
