from math import inf, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.statistics.distances import kolmogorov_smirnov, lengths, psi, wasserstein, word_divergence

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


def test_psi_by_hand() -> None:
    # ten bins of .1; three quarters of the sample in the lower five: 5·.05·ln(1.5) - 5·.05·ln(.5) = .25·ln(3)
    reference = np.arange(100)
    sample = np.concatenate([np.arange(50)] * 3 + [np.arange(50, 100)])
    assert psi(reference, sample) == pytest.approx(0.25 * log(3))
    assert psi(reference, reference) == 0


def test_psi_counts_an_empty_bin_as_one_in_ten_thousand() -> None:
    assert psi([0, 1], [0, 0], bins=2) == pytest.approx((1 - 0.5) * log(2) + (1e-4 - 0.5) * log(1e-4 / 0.5))


@pytest.mark.parametrize("moved", [4.0, 6.0])
def test_psi_detects_changes_on_either_side_of_a_constant(moved: float) -> None:
    assert psi([5.0] * 20, [5.0] * 10 + [moved] * 10) > 0.2


@settings(deadline=None)  # a busy machine is no failure
@given(NUMBERS, NUMBERS)
def test_distances_are_finite_and_never_negative(reference: list[float], sample: list[float]) -> None:
    assert 0 <= psi(reference, sample) < 30
    assert 0 <= wasserstein(reference, sample) < inf
    assert psi(reference, reference) == 0


def test_wasserstein_by_hand() -> None:
    # everything moves by 1; the standard deviation of 0, 2, 1, 3 is √1.25
    assert wasserstein([0, 2], [1, 3]) == pytest.approx(1 / 1.25**0.5)
    assert wasserstein([7, 7], [7]) == 0


def test_kolmogorov_smirnov_by_hand() -> None:
    assert kolmogorov_smirnov([1, 2, 3, 4], [3, 4, 5, 6]).statistic == pytest.approx(0.5)
    assert kolmogorov_smirnov([1, 2], [3, 4]) == pytest.approx((1.0, 1 / 3))


def test_lengths_are_in_words() -> None:
    assert lengths(["", "one", "two  words"]).tolist() == [0, 1, 2]


def test_word_divergence_by_hand() -> None:
    # (½, ½, 0) and (½, 0, ½) around (½, ¼, ¼): each ½·log₂(1) + ½·log₂(2)
    assert word_divergence(["a b"], ["a C"]) == pytest.approx(0.5)
    assert word_divergence(["a b", "b"], ["B A b"]) == 0
    assert word_divergence(["a b"], ["c"]) == pytest.approx(1)


def test_word_divergence_of_empty_texts() -> None:
    assert word_divergence(["a"], [""]) == 1
    assert word_divergence([""], []) == 0
