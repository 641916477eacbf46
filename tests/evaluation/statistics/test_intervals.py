import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.statistics.intervals import Interval, bootstrap, difference, flip_test, holm, paired, wilson


def test_wilson_by_hand() -> None:
    assert wilson(8, 10) == pytest.approx((0.8, 0.4902, 0.9433, 10), abs=1e-4)


def test_wilson_has_a_width_at_0_and_1() -> None:
    assert wilson(10, 10) == pytest.approx((1.0, 0.7225, 1.0, 10), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0.0, 0.0, 0.2775, 10), abs=1e-4)


def test_bootstrap_of_two_groups_reaches_both_of_them() -> None:
    # drawn twice out of two: both times the first (1/4), both times the second (1/4), or one of each
    assert bootstrap([0, 0, 1, 1], ["a", "a", "b", "b"]) == Interval(0.5, 0.0, 1.0, 4)


def test_rows_of_one_group_are_one_observation() -> None:
    wins = [1, 0, 1, 1]
    assert bootstrap(wins, ["a"] * 4) == Interval(0.75, 0.75, 0.75, 4)
    assert bootstrap(wins * 50, ["a", "b", "c", "d"] * 50).low <= 0.25


def test_bootstrap_is_a_function_of_its_seed() -> None:
    values, groups = [0.1, 0.9, 0.4, 0.6, 0.3], list("abcde")
    assert bootstrap(values, groups, seed=1) == bootstrap(values, groups, seed=1)
    assert bootstrap(values, groups, seed=1) != bootstrap(values, groups, seed=2)


def test_bootstrap_covers_the_truth_by_group_and_not_by_row() -> None:
    rng = np.random.default_rng(0)
    groups = [str(group) for group in range(30) for _ in range(5)]
    rows = [str(row) for row in range(150)]
    covered = np.zeros(2)
    for seed in range(100):
        values = rng.normal(size=30).repeat(5) + 0.5 * rng.normal(size=150)  # the true mean is 0
        for way, unit in enumerate((groups, rows)):
            interval = bootstrap(values, unit, seed, draws=200)
            covered[way] += interval.low <= 0 <= interval.high
    by_group, by_row = covered / 100
    assert 0.88 <= by_group <= 0.99
    assert by_row < 0.75


def test_pairing_removes_shared_variance() -> None:
    before = np.arange(20.0)
    assert paired(before + 1, before, [str(row) for row in range(20)]) == Interval(1.0, 1.0, 1.0, 20)


def test_difference_by_hand() -> None:
    # ±.1 each: √(.01 + .01) = .1414
    interval = difference(Interval(0.7, 0.6, 0.8, 100), Interval(0.5, 0.4, 0.6, 80))
    assert interval == pytest.approx((0.2, 0.2 - 0.1414, 0.2 + 0.1414, 80), abs=1e-4)


def test_flip_test_by_hand() -> None:
    # 8 of 10: 2 · (1 + 10 + 45) / 2¹⁰; two ties have no effect
    wins = [1.0] * 8 + [0.0] * 2 + [0.5] * 2
    assert flip_test(wins, [str(row) for row in range(12)]) == pytest.approx(0.109375, abs=0.01)


def test_flip_test_counts_groups() -> None:
    assert flip_test([1.0] * 10, ["a"] * 10) == 1.0
    assert flip_test([0.5, 0.5], ["a", "b"]) == 1.0


def test_flip_test_weighs_groups_as_their_rate_does() -> None:
    # ten groups won by a row each, one lost by twenty: a rate of a third, and no significant difference
    wins, groups = [1.0] * 10 + [0.0] * 20, [str(row) for row in range(10)] + ["large"] * 20
    assert flip_test(wins, groups) == 1.0


def test_holm_by_hand() -> None:
    # sorted: .005·4 = .02, .01·3 = .03, .03·2 = .06, .04·1 → .06, because adjusted p-values are monotone
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_never_lowers_a_p_value(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    assert [q for _, q in sorted(zip(p_values, adjusted, strict=True))] == sorted(adjusted)


def test_named_metrics() -> None:
    assert Interval(0.6, 0.5, 0.7, 9).named("x") == {"x": 0.6, "x_low": 0.5, "x_high": 0.7}
