import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.statistics.intervals import wilson
from evaluation.statistics.sequences import fewest, log_wealth, sequence

LOOKS = 1000
RUNS = 1000


def ever_missed(values: np.ndarray, mean: float, level: float) -> float:
    """Share of runs (rows) whose sequence excludes the true mean at any time."""
    wealth = log_wealth(values.cumsum(axis=1), np.arange(1, values.shape[1] + 1), mean)
    return float((wealth >= -np.log(1 - level)).any(axis=1).mean())


def test_one_win_by_hand() -> None:
    # B(3/2, 1/2) / B(1/2, 1/2) = 1/2, so the wealth against m is 1/(2m): 20 at m = .025
    assert log_wealth(1, 1, 0.025) == pytest.approx(np.log(20))
    assert sequence(1, 1) == pytest.approx((1.0, 0.025, 1.0, 1))
    assert sequence(0, 1) == pytest.approx((0.0, 0.0, 0.975, 1))


def test_two_of_two_by_hand() -> None:
    # B(5/2, 1/2) / B(1/2, 1/2) = 3/8: 3 / (8 m²) = 20 at m = √(3/160)
    assert sequence(2, 2).low == pytest.approx(np.sqrt(3 / 160))


def test_without_rows_the_interval_is_0_to_1() -> None:
    assert sequence(0, 0) == (0.5, 0.0, 1.0, 0)


def test_a_sequence_is_wider_than_an_interval_for_one_look() -> None:
    anytime, fixed = sequence(80, 100), wilson(80, 100)
    assert anytime.low < fixed.low < 0.8 < fixed.high < anytime.high
    assert (anytime.low, anytime.high) == pytest.approx((0.648, 0.909), abs=1e-3)


@pytest.mark.parametrize("mean", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_true_rate_is_excluded_no_more_often_than_the_level_allows(mean: float, level: float) -> None:
    values = np.random.default_rng(1).random((RUNS, LOOKS)) < mean
    slack = 3 * np.sqrt(level * (1 - level) / RUNS)
    assert ever_missed(values, mean, level) <= 1 - level + slack


def test_the_true_mean_of_ratings_is_excluded_no_more_often() -> None:
    rng = np.random.default_rng(2)
    assert ever_missed(rng.beta(2, 1, (RUNS, LOOKS)), 2 / 3, 0.8) <= 0.2
    stars = rng.choice([0.0, 0.25, 0.5, 0.75, 1.0], (RUNS, LOOKS), p=[0.4, 0.0, 0.1, 0.0, 0.5])
    assert ever_missed(stars, 0.55, 0.8) <= 0.2 + 3 * 0.4 / np.sqrt(RUNS)


def test_an_interval_for_one_look_excludes_it_far_more_often() -> None:
    totals = (np.random.default_rng(3).random((200, LOOKS)) < 0.5).cumsum(axis=1)
    intervals = [[wilson(total, n) for n, total in enumerate(run, start=1)] for run in totals[:100, :300]]
    missed = np.mean([any(not i.low <= 0.5 <= i.high for i in run) for run in intervals])
    assert missed > 0.2


def test_a_drop_is_detected() -> None:
    fell = np.random.default_rng(4).random(300) < 0.6
    assert sequence(fell.sum(), 300, 0.99).high < 0.75


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 5000), share=st.floats(0, 1), level=st.floats(0.5, 0.999))
def test_at_the_bounds_the_wealth_reaches_its_limit(n: int, share: float, level: float) -> None:
    total = share * n
    interval = sequence(total, n, level)
    assert 0 <= interval.low <= interval.estimate <= interval.high <= 1
    for bound, inside in ((interval.low, total > 0), (interval.high, total < n)):
        if inside and 1e-8 < bound < 1 - 1e-8:
            assert log_wealth(total, n, bound) == pytest.approx(-np.log1p(-level), abs=1e-6)


def test_the_fewest_zeros_that_exclude_a_mean_by_hand() -> None:
    # n zeros against ½ have the wealth C(2n, n) / 2^n: 95.0 for n = 9, 180.4 for n = 10; the limit is 100
    assert fewest(0.5, 0.99) == 10
    assert sequence(0, 9, 0.99).high > 0.5 > sequence(0, 10, 0.99).high
    with pytest.raises(ValueError, match="more than 0"):
        fewest(0.0, 0.99)
