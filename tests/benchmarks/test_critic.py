from benchmarks.critic import CriticRun, table
from evaluation.statistics.intervals import Interval


def test_the_gain_by_time_by_hand() -> None:
    run = CriticRun(0, "shared", Interval(0.9, 0.7, 1.1, 512), 6.25, learning=30.4, cpu=150.0, verdict="promote")
    heads, line, row = table([run]).splitlines()
    assert row == "| 0 | shared | +0.90 (+0.70 to +1.10) | 6.2 | 30 | 150 | 0.60 | promote |"
    assert heads.count("|") == line.count("|") == row.count("|")
