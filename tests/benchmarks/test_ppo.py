"""The figures of the comparison with TRL, computed by hand; TRL is not installed here."""

import math
from pathlib import Path

import pytest
import torch

from benchmarks import trl_library
from benchmarks.ppo import TINY, Case, Measured, make, merged, ours, prompts, table, targets
from core.errors import NotInstalled
from models.policy import Policy
from models.rollout import SamplingSettings, sample
from models.seeding import generator

ROWS = [
    Measured("30M", 0.0, "ours", 10.0, 12.0, 1_000_000_000),
    Measured("30M", 0.0, "TRL", 20.0, 21.0, 4_000_000_000),
    Measured("30M", 0.0, "ours", 10.0, 14.0, 1_000_000_000),
    Measured("30M", 0.0, "TRL", 10.0, 11.0, 4_000_000_000),
]


def test_ratios_are_those_of_runs_that_alternated() -> None:
    lines = table(ROWS).splitlines()
    figures = "10.00 | 15.00 | 1.50 (1.00 to 2.00) | 13.00 | 16.00 | 1,000 | 4,000 | 25%"
    assert lines[2:] == [f"| 30M, full | all of 48 tokens | ours | 2 | {figures} |"]


def test_a_target_is_met_or_not() -> None:
    [faster, smaller] = targets(ROWS).splitlines()
    assert faster.endswith(": met (1.50).")
    assert smaller.endswith(": met (0.25).")
    [slower, _] = targets([row._replace(cpu=10.0) for row in ROWS]).splitlines()
    assert slower.endswith(": not met (1.00).")


def test_what_was_measured_again_replaces_the_old() -> None:
    again, other = ROWS[0]._replace(cpu=1.0), ROWS[0]._replace(shape=".3M")
    assert merged([*ROWS[:2], other], [again]) == [other, again, ROWS[1]]


def test_answers_end_with_the_probability_that_was_asked_for(tmp_path: Path) -> None:
    make(tmp_path / "base", TINY, 0.04)
    policy = Policy.load(tmp_path / "base")
    answers = sample(policy, prompts(TINY, 200), SamplingSettings(), 48, generator(0)).batch.response.sum(dim=1)
    expected = sum(0.96**step for step in range(48))  # mean tokens of an answer
    assert answers.float().mean() == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize("adapters", [False, True])
def test_our_side_trains_what_it_loads(tmp_path: Path, adapters: bool) -> None:
    make(tmp_path / "base", TINY, 0.0)
    case = Case(TINY, episodes=4, epochs=1, iterations=1, microbatch=64, adapters=adapters)
    metrics: dict[str, float] = {}
    ours(tmp_path / "base", case)(log=lambda values, *_: metrics.update(values))
    assert metrics["answer/tokens"] == pytest.approx(48, abs=10)  # EOS is one of 300 tokens
    assert math.isfinite(metrics["grad_norm"])
    torch.set_num_threads(1)


def test_a_missing_library_is_named_with_its_version(tmp_path: Path) -> None:
    with pytest.raises(NotInstalled, match=f"--target {tmp_path} trl=={trl_library.VERSION}"):
        trl_library.find(tmp_path)
