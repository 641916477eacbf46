from evaluation.statistics.intervals import Interval
from evaluation.statistics.wording import percent, spread


def test_a_rate_and_its_interval_as_text() -> None:
    assert percent(0.6116) == "61.2 %"
    assert spread(Interval(0.61, 0.579, 0.644, 512), "votes") == "(57.9 to 64.4 %, 512 votes)"
