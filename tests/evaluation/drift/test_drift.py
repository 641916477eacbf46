import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.drift import DriftCheck, DriftFindings, by_permutation, decide, histograms, metrics
from evaluation.drift.prompts import ClassifierScores
from evaluation.drift.report import report


def check(name: str, effect: float, p: float) -> DriftCheck:
    return DriftCheck(name, effect, limit=0.2, p=p, said=f"{name} moved", look="the data")


def test_an_alarm_needs_effect_and_p() -> None:
    checks = [
        check("both", 0.3, 0.001),
        check("effect", 0.3, 0.5),
        check("chance", 0.1, 0.001),
        check("edge", 0.2, 0.0),
    ]
    assert [result.alarm for result in decide(checks, 0.01)] == [True, False, False, False]


def test_p_allows_for_the_number_of_checks() -> None:
    # Holm: the smaller of two is doubled
    alone, among = decide([check("a", 0.3, 0.006)], 0.01), decide([check("a", 0.3, 0.006), check("b", 0.0, 1.0)], 0.01)
    assert (alone[0].p, alone[0].alarm) == (0.006, True)
    assert (among[0].p, among[0].alarm) == (0.012, False)


def test_metrics_and_report_name_the_alarms() -> None:
    findings = DriftFindings((check("ties", 0.3, 0.001), check("time", 0.1, 0.5)), {"tie_rate": 0.4})
    decided = decide(findings.checks, 0.01)
    numbers = {"tie_rate": 0.4, "ties": 0.3, "ties_p": 0.002, "ties_alarm": 1.0}
    assert metrics(findings, decided) == numbers | {"time": 0.1, "time_p": 0.5, "time_alarm": 0.0, "alarms": 1.0}
    [alarm] = report(findings, decided).alarms
    assert all(fact in alarm for fact in ("ties moved", "ties 0.3, limit 0.2", "p 0.002", "the data"))


def test_nothing_compared_is_no_alarm() -> None:
    assert metrics(DriftFindings(), decide((), 0.01)) == {"alarms": 0.0}


def test_permutations_by_hand() -> None:
    # of the 20 ways to choose three of six rows, one has all ones on the first side, and one none
    assert by_permutation([1, 1, 1], [0, 0, 0], 0) == pytest.approx(2 / 20, abs=0.03)
    assert by_permutation([1, 1, 1], [0, 0, 0], 0, "greater") == pytest.approx(1 / 20, abs=0.03)
    # of the 8 ways to swap within three pairs, one leaves all ones where they are
    assert by_permutation([1, 1, 1], [0, 0, 0], 0, "greater", pairs=True) == pytest.approx(1 / 8, abs=0.03)


def test_equal_samples_have_a_p_value_of_1() -> None:
    assert by_permutation([0.3] * 7, [0.3] * 5, 0) == 1
    assert by_permutation([0.3] * 7, [0.3] * 7, 0, pairs=True) == 1


def test_auc_by_hand() -> None:
    # of four pairs, 2 > 1, 3 > 1 and 3 > 2 count one, 2 = 2 one half
    scores = ClassifierScores(before=np.array([1.0, 2.0]), now=np.array([2.0, 3.0]))
    assert scores.auc == 3.5 / 4
    # of the 6 ways to choose the new ones of 1, 2, 2, 3: {3, 2} in two ways, and no way has higher ranks
    assert scores.p_value(0) == pytest.approx(2 / 6, abs=0.04)


def test_bins_of_whole_numbers_hold_one_number_each() -> None:
    panel = histograms("lengths", "words", [1, 1, 2, 3], [3, 3, 3, 3])
    assert (panel.low, panel.high) == (0.5, 3.5)
    assert (panel.before, panel.now) == ([0.5, 0.25, 0.25], [0.0, 0.0, 1.0])


@settings(deadline=None)  # a busy machine is no failure
@given(*[st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)] * 2)
def test_a_histogram_loses_no_row(before: list[float], now: list[float]) -> None:
    panel = histograms("any", "", before, now)
    assert panel.low < panel.high
    assert sum(panel.before) == pytest.approx(1)
    assert sum(panel.now) == pytest.approx(1)
    assert len(panel.before) <= 25
