import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from models.calibration import brier, calibration, chance, fold, negative_log_likelihood, reliability, temperature


def test_folding_puts_the_preferred_answer_first() -> None:
    p, labels = fold(np.array([0.9, 0.2]), np.array([1.0, 1.0]))
    assert p == pytest.approx([0.9, 0.8])
    assert labels.tolist() == [1.0, 0.0]


def test_reliability_by_hand() -> None:
    bins = reliability(np.array([0.6, 0.9, 0.4, 0.95]), np.array([1.0, 1.0, 1.0, 0.0]), bins=2)
    # folded: (.6, 1), (.6, 0) are the less confident half, (.9, 1), (.95, 0) the top one
    assert bins.confidence == pytest.approx([0.6, 0.925])
    assert bins.accuracy == pytest.approx([0.5, 0.5])
    assert bins.pairs.tolist() == [2, 2]


def test_calibration_by_hand() -> None:
    margins = np.log([3.0, 3.0, 3.0, 3.0])  # p = .75 each
    labels = np.array([1.0, 1.0, 1.0, 0.0])
    result = calibration(margins, labels)
    assert brier(margins, labels) == pytest.approx([0.25**2] * 3 + [0.75**2])
    assert result.brier == pytest.approx((3 * 0.25**2 + 0.75**2) / 4)
    assert result.nll == pytest.approx((3 * math.log(4 / 3) + math.log(4)) / 4)
    assert result.ece == pytest.approx((3 * 0.25 + 0.75) / 4)  # one pair per bin: |.75 - 1| three times, |.75 - 0| once


def test_the_p_value_is_small_for_an_overconfident_model_only() -> None:
    margins = np.random.default_rng(0).normal(0, 1.5, 300)
    labels = (np.random.default_rng(1).random(300) < expit(margins)).astype(float)
    calibrated, overconfident = chance(margins, labels), chance(3 * margins, labels)
    assert 0.03 < calibrated.ece < 0.08
    assert calibrated.p > 0.05
    assert overconfident.p == pytest.approx(1 / 201)  # all 200 draws have a smaller error
    assert chance(margins, labels) == calibrated


def test_expected_calibration_error_of_full_bins() -> None:
    p = np.repeat(np.linspace(0.55, 1.0, 10), 100)  # ten bins of 100
    labels = np.tile(np.arange(100) < 50, 10).astype(float)  # accuracy .5 in every bin
    result = calibration(np.log(p / np.maximum(1 - p, 1e-9)), labels)
    assert result.ece == pytest.approx(np.mean(np.linspace(0.05, 0.5, 10)), abs=1e-6)
    assert result.top_gap == pytest.approx(0.5, abs=1e-6)
    assert result.bins.pairs.tolist() == [100] * 10


def test_a_constant_one_half_has_nll_log_two_and_brier_a_quarter() -> None:
    result = calibration(np.zeros(4), np.array([1.0, 0.0, 1.0, 0.0]))
    assert result.nll == pytest.approx(math.log(2))
    assert result.brier == 0.25


def test_large_margins_do_not_overflow() -> None:
    assert negative_log_likelihood(np.array([-1e4, 1e4]), np.array([1.0, 1.0])) == pytest.approx([1e4, 0.0])


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_of_soft_labels_is_recovered(true: float) -> None:
    margins = np.linspace(-4, 4, 41)
    assert temperature(margins, expit(margins / true)) == pytest.approx(true, rel=1e-3)


pairs = st.lists(st.tuples(st.floats(-5, 5), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=40)


@given(pairs)
def test_swapping_the_answers_does_not_change_brier_and_nll(rows: list[tuple[float, float]]) -> None:
    margins, labels = (np.array(column) for column in zip(*rows, strict=True))
    # at a margin of exactly 0 neither answer is preferred, so the bins may differ
    result, swapped = calibration(margins, labels), calibration(-margins, 1 - labels)
    assert result.brier == pytest.approx(swapped.brier)
    assert result.nll == pytest.approx(swapped.nll)
    assert 0 <= result.ece <= 1


@given(pairs)
def test_the_fitted_temperature_does_not_increase_the_nll(rows: list[tuple[float, float]]) -> None:
    margins, labels = (np.array(column) for column in zip(*rows, strict=True))
    fitted = calibration(margins, labels, temperature(margins, labels))
    assert fitted.nll <= calibration(margins, labels).nll + 1e-4
