"""The time to a utility, computed by hand; nothing is trained here."""

import pytest

from benchmarks.ppo_utility import SIDES, Point, reached, seconds_to, table

POINTS = [
    *(Point("ours", 0, step, cpu, utility) for step, cpu, utility in ((0, 0.0, 0.0), (2, 10.0, 1.0))),
    *(Point(SIDES[1], 0, step, cpu, utility) for step, cpu, utility in ((0, 0.0, 0.0), (2, 20.0, 0.5), (4, 40.0, 1.5))),
    *(Point(SIDES[2], 0, step, cpu, utility) for step, cpu, utility in ((0, 0.0, 0.0), (4, 80.0, 0.5))),
]


def test_the_time_to_a_utility_is_interpolated() -> None:
    assert seconds_to(POINTS[2:5], 1.0) == pytest.approx(30.0)
    assert seconds_to(POINTS[5:], 1.0) is None


def test_times_are_divided_by_those_of_ours() -> None:
    equal, own = reached(POINTS, 2).splitlines()
    assert "30 s, 3.0 times" in equal
    assert "not reached (trained for 80 s)" in own


def test_what_was_not_measured_has_a_dash() -> None:
    assert "| ours, 0 | +0.00 (0 s) | +1.00 (10 s) | – |" in table(POINTS).splitlines()
