"""Places in a drawing of 640 by 220, of which the margins leave 576 by 180: worked out by hand."""

import pytest

from tasks.pages.charts import Bar, Label, Measured, bars, line

WON = [Measured("1", 0.5), Measured("2", None), Measured("3", 0.6, 0.55, 0.7), Measured("4", 0.7)]


def test_a_line_has_a_point_per_value_and_gaps_where_nothing_was_measured() -> None:
    chart = line("win rate", WON, ".0%", level=0.5)
    assert [point.x for point in chart.points] == [124.0, 412.0, 556.0]  # the middles of slots of 144
    assert [point.y for point in chart.points] == [192.0, 102.0, 12.0]  # 50 % at the bottom, 70 % at the top
    assert (chart.points[1].low, chart.points[1].high) == (147.0, 12.0)
    assert chart.path == "M124.0 192.0 M412.0 102.0 L556.0 12.0"
    assert chart.level == 192.0


def test_its_axis_has_round_numbers() -> None:
    chart = line("win rate", WON, ".0%")
    assert chart.rows == (
        Label(192.0, "50%"),
        Label(147.0, "55%"),
        Label(102.0, "60%"),
        Label(57.0, "65%"),
        Label(12.0, "70%"),
    )
    assert [label.text for label in chart.columns] == ["1", "2", "3", "4"]


def test_it_is_told_in_words() -> None:
    assert line("win rate", WON, ".0%").summary == "From 1: 50%, to 4: 70%."
    assert line("win rate", WON[2:3], ".0%").summary == "3: 60% (55% to 70%)."
    assert line("win rate", WON, ".0%").points[1].title == "3: 60% (55% to 70%)"


@pytest.mark.parametrize("value", [0.0, 0.5, -3.0, 1e6])
def test_a_single_value_can_be_drawn(value: float) -> None:
    [point] = line("gain", [Measured("1", value)], ".2f").points
    assert 12 <= point.y <= 192


def test_bars_begin_at_zero() -> None:
    chart = bars("votes", [("a", 0), ("b", 30), ("c", 40)])
    assert [label.text for label in chart.rows] == ["0", "10", "20", "30", "40"]
    assert chart.bars[0].height == 0.0
    assert chart.bars[1] == Bar(272.8, 57.0, 134.4, 135.0, "b: 30")  # 52 + 192 + 28.8; three quarters of 180
    assert chart.summary == "70 in all; most on c: 40."


def test_no_bar_is_no_error() -> None:
    chart = bars("votes", [("a", 0), ("b", 0)])
    assert (chart.summary, [bar.height for bar in chart.bars]) == ("None.", [0.0, 0.0])


def test_a_long_axis_has_few_labels() -> None:
    assert len(bars("votes", [(str(day), day) for day in range(30)]).columns) == 8
    assert len(bars("votes", [(str(day), day) for day in range(1000)]).columns) == 8
