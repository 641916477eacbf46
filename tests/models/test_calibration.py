import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from models.calibration import brier, calibration, chance, fold, negative_log_likelihood, reliability, temperature


def test_folding_puts_the_favourite_first() -> None:
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
    found = calibration(margins, labels)
    assert brier(margins, labels) == pytest.approx([0.25**2] * 3 + [0.75**2])
    assert found.brier == pytest.approx((3 * 0.25**2 + 0.75**2) / 4)
    assert found.nll == pytest.approx((3 * math.log(4 / 3) + math.log(4)) / 4)
    assert found.ece == pytest.approx((3 * 0.25 + 0.75) / 4)  # one pair a bin: |.75 - 1| three times, |.75 - 0| once


def test_luck_alone_makes_an_error_and_bias_makes_a_larger_one() -> None:
    margins = np.random.default_rng(0).normal(0, 1.5, 300)
    honest = (np.random.default_rng(1).random(300) < expit(margins)).astype(float)
    luck, sure = chance(margins, honest), chance(3 * margins, honest)
    assert 0.03 < luck.ece < 0.08
    assert luck.p > 0.05
    assert sure.p == pytest.approx(1 / 201)  # no draw of 200 is as bad
    assert chance(margins, honest) == luck


def test_expected_calibration_error_of_full_bins() -> None:
    p = np.repeat(np.linspace(0.55, 1.0, 10), 100)  # ten bins of 100
    labels = np.tile(np.arange(100) < 50, 10).astype(float)  # half of each right: accuracy .5
    found = calibration(np.log(p / np.maximum(1 - p, 1e-9)), labels)
    assert found.ece == pytest.approx(np.mean(np.linspace(0.05, 0.5, 10)), abs=1e-6)
    assert found.top_gap == pytest.approx(0.5, abs=1e-6)
    assert found.bins.pairs.tolist() == [100] * 10


def test_a_coin_says_log_two_and_a_quarter() -> None:
    found = calibration(np.zeros(4), np.array([1.0, 0.0, 1.0, 0.0]))
    assert found.nll == pytest.approx(math.log(2))
    assert found.brier == 0.25


def test_likelihood_does_not_overflow() -> None:
    assert negative_log_likelihood(np.array([-1e4, 1e4]), np.array([1.0, 1.0])) == pytest.approx([1e4, 0.0])


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_of_soft_labels_is_found(true: float) -> None:
    margins = np.linspace(-4, 4, 41)
    assert temperature(margins, expit(margins / true)) == pytest.approx(true, rel=1e-3)


pairs = st.lists(st.tuples(st.floats(-5, 5), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=40)


@given(pairs)
def test_turning_pairs_round_changes_nothing(rows: list[tuple[float, float]]) -> None:
    margins, labels = (np.array(column) for column in zip(*rows, strict=True))
    # at a margin of exactly 0 there is no favourite, so the bins may differ; the scores of the whole may not
    one, other = calibration(margins, labels), calibration(-margins, 1 - labels)
    assert one.brier == pytest.approx(other.brier)
    assert one.nll == pytest.approx(other.nll)
    assert 0 <= one.ece <= 1


@given(pairs)
def test_the_fitted_temperature_never_does_worse_than_none(rows: list[tuple[float, float]]) -> None:
    margins, labels = (np.array(column) for column in zip(*rows, strict=True))
    fitted = calibration(margins, labels, temperature(margins, labels))
    assert fitted.nll <= calibration(margins, labels).nll + 1e-4
