from typing import get_args

import pytest
import torch

from core.errors import BadModel
from models.compute import Precision
from models.mismatch import Mismatch, RolloutMismatch, check, measure, recomputes, rows

SAMPLED = torch.tensor([[0.0, -1.0, -2.0], [0.0, 0.0, -3.0]])
RESPONSE = torch.tensor([[False, True, True], [False, False, True]])


def test_only_answer_tokens_are_compared() -> None:
    recomputed = torch.tensor([[9.0, -1.25, -2.0], [9.0, 9.0, -3.5]])
    mismatch = measure(recomputed, SAMPLED, RESPONSE)
    assert mismatch.max == 0.5
    assert mismatch.mean == pytest.approx(0.25)


def test_nan_is_a_mismatch() -> None:
    assert measure(torch.full((2, 3), torch.nan), SAMPLED, RESPONSE).max == torch.inf
    with pytest.raises(RolloutMismatch):
        check(measure(torch.full((2, 3), torch.nan), SAMPLED, RESPONSE), "float32", "llama", 0)


def test_without_answers_nothing_differs() -> None:
    assert measure(SAMPLED, SAMPLED, RESPONSE & False) == Mismatch(0.0, 0.0)


@pytest.mark.parametrize(
    ("precision", "mismatch"),
    [
        ("float32", Mismatch(mean=1e-3, max=1e-3)),
        ("tf32", Mismatch(mean=0.0125, max=5.0)),
        ("bfloat16", Mismatch(mean=0.1, max=5.0)),
    ],
)
def test_the_limit_itself_is_accepted(precision: Precision, mismatch: Mismatch) -> None:
    check(mismatch, precision, "llama", 3)


@pytest.mark.parametrize(
    ("precision", "mismatch", "facts"),
    [
        ("float32", Mismatch(mean=1e-5, max=0.0021), ["float32", "0.0021", "0.001", "max"]),
        ("tf32", Mismatch(mean=0.013, max=0.2), ["tf32", "0.013", "0.0125", "mean", "NVIDIA_TF32_OVERRIDE=0"]),
        ("bfloat16", Mismatch(mean=0.32, max=0.5), ["bfloat16", "0.32", "0.1", "mean", "model.dtype=float32"]),
    ],
)
def test_above_the_limit_training_stops(precision: Precision, mismatch: Mismatch, facts: list[str]) -> None:
    with pytest.raises(RolloutMismatch) as raised:
        check(mismatch, precision, "mamba", 7)
    assert isinstance(raised.value, BadModel)
    assert all(fact in str(raised.value) for fact in ["mamba", "iteration 7", *facts])


def test_the_rows_change_with_the_iteration_and_not_with_the_call() -> None:
    assert rows(128, 4, 0) == rows(128, 4, 0) != rows(128, 5, 0)
    assert len(set(rows(128, 4, 0))) == 16
    assert len(rows(40, 0, 0)) == 5
    assert len(rows(8, 0, 0)) == 4
    assert rows(3, 0, 0) == [0, 1, 2]


def test_only_float32_keeps_the_samplers_log_probabilities() -> None:
    assert [recomputes(precision) for precision in get_args(Precision)] == [False, True, True]
