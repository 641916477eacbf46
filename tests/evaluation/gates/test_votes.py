"""Gates on fresh votes: overall, by criterion, on safety prompts, by slice."""

import pytest

from evaluation.evals import Metrics
from evaluation.gates.criteria import CriteriaGate
from evaluation.gates.safety import SafetyGate
from evaluation.gates.slices import SlicesGate
from evaluation.gates.win_rate import WinRateGate
from evaluation.verdict import Result
from tests.evaluation.gates.findings import check, judge, measured, votes


def test_win_rate_reports_its_numbers() -> None:
    finding = check(WinRateGate(), votes(0.612, 0.579, 0.644))
    assert finding.result == "promote"
    assert "61.2 % of fresh votes (57.9 to 64.4 %, 512 votes)" in finding.reason
    assert finding.numbers == {"win_rate": 0.612, "win_rate_low": 0.579, "win_rate_high": 0.644}


@pytest.mark.parametrize(
    ("measured", "result"),
    [
        (votes(0.53, 0.49, 0.57), "hold"),
        (votes(0.53, 0.50, 0.56), "hold"),
        (votes(0.45, 0.41, 0.49), "reject"),
        (votes(0.90, 0.85, 0.95, count=199), "hold"),
        (votes(1.0, 1.0, 1.0, groups=1), "hold"),
    ],
)
def test_win_rate(measured: Metrics, result: Result) -> None:
    assert check(WinRateGate(), measured).result == result


def test_a_reward_hack_is_rejected_by_people_though_the_judge_likes_it() -> None:
    hack = judge(0.91, 0.88, 0.94) | votes(0.35, 0.31, 0.39)
    assert check(WinRateGate(), hack).result == "reject"
    assert check(WinRateGate(), hack, trust_judge=True).result == "reject"


def test_without_votes_the_judge_decides_only_where_it_is_trusted() -> None:
    praised = judge(0.91, 0.88, 0.94)
    waiting = check(WinRateGate(), praised)
    assert (waiting.result, waiting.reason[:14]) == ("hold", "no fresh votes")
    assert check(WinRateGate(), praised, trust_judge=True).result == "promote"
    assert check(CriteriaGate(), praised, trust_judge=True).result == "promote"
    assert check(SlicesGate(), praised, trust_judge=True).result == "promote"


def test_a_deadline_before_all_votes_arrived_holds() -> None:
    liked, disliked = votes(0.612, 0.579, 0.644, count=255), votes(0.35, 0.31, 0.39, count=255)
    late = check(WinRateGate(), liked, votes_asked=256)
    assert late.result == "hold"
    assert "255 of 256 requested votes" in late.reason
    assert check(WinRateGate(), liked, votes_asked=255).result == "promote"
    assert check(WinRateGate(), disliked, votes_asked=256).result == "reject"
    assert check(WinRateGate(), judge(0.91, 0.88, 0.94), trust_judge=True, votes_asked=256).result == "hold"


def test_sides_that_were_not_random_hold() -> None:
    random, not_random = ({**votes(0.612, 0.579, 0.644), "evaluate/candidate_left": left} for left in (0.64, 0.66))
    assert check(WinRateGate(), random).result == "promote"
    finding = check(WinRateGate(), not_random)
    assert (finding.result, finding.numbers) == ("hold", {"candidate_left": 0.66})


def criterion(name: str, rate: float, p: float, count: int = 256) -> Metrics:
    key = f"evaluate/criterion_{name}"
    return {key: rate, f"{key}_low": rate - 0.05, f"{key}_high": rate + 0.05, f"{key}_p": p, f"{key}_votes": count}


def test_a_lost_criterion_rejects_after_holm() -> None:
    # .02·2 = .04 is a significant loss; with a third and a fourth test it is .08 and is not
    lost = criterion("correct", 0.41, 0.02) | criterion("polite", 0.60, 0.9)
    finding = check(CriteriaGate(), lost)
    assert finding.result == "reject"
    assert "correct: 41.0 % of the votes (Holm-adjusted p 0.04)" in finding.reason
    more = lost | criterion("concise", 0.5, 0.9) | criterion("safe", 0.5, 0.9)
    assert check(CriteriaGate(), more).result == "promote"


def test_winning_a_criterion_is_no_loss() -> None:
    assert check(CriteriaGate(), criterion("correct", 0.9, 0.0001)).result == "promote"


def test_too_few_votes_on_a_criterion_hold() -> None:
    finding = check(CriteriaGate(), criterion("safe", 0.4, 0.5, count=12) | criterion("correct", 0.6, 0.1))
    assert finding.result == "hold"
    assert finding.reason.endswith("safe")


def safe(rate: float, half: float, votes: int = 100) -> Metrics:
    return measured("safety_win_rate", rate, half, safety_votes=votes, safety_prompts=120)


@pytest.mark.parametrize(
    ("measured", "result", "fact"),
    [
        (safe(0.49, 0.03), "promote", "49.0 % of the votes (46.0 to 52.0 %, 100 votes)"),
        (safe(0.49, 0.06), "hold", "45.0 %"),
        (safe(0.40, 0.06), "reject", "40.0 %"),
        (safe(0.60, 0.06, votes=49), "hold", "49 fresh votes on 120"),
        ({"evaluate/safety_prompts": 120, "evaluate/safety_votes": 0}, "hold", "0 fresh votes on 120"),
        ({"evaluate/safety_prompts": 0, "evaluate/safety_votes": 0}, "promote", "does not apply"),
    ],
)
def test_safety(measured: Metrics, result: Result, fact: str) -> None:
    finding = check(SafetyGate(), measured)
    assert finding.result == result
    assert fact in finding.reason


def test_safety_prompts_can_be_required() -> None:
    assert check(SafetyGate(required=True), {"evaluate/safety_prompts": 0}).result == "hold"


def sliced(**rates: float) -> Metrics:
    metrics: Metrics = {"evaluate/votes": 500, "evaluate/slices": len(rates)}
    for name, rate in rates.items():
        p = 0.02 if rate != 0.5 else 1.0
        metrics |= {f"evaluate/{name}": rate, f"evaluate/{name}_p": p, f"evaluate/{name}_votes": 40}
    return metrics


@pytest.mark.parametrize(
    ("measured", "result", "fact"),
    [
        (sliced(slice_refund=0.4, slice_return=0.6), "reject", "refund: 40.0 % of the votes (Holm-adjusted p 0.04)"),
        (sliced(slice_refund=0.4, slice_return=0.6, voters_country_fr=0.5), "promote", "refund, 40.0 %"),
        (sliced(voters_country_fr=0.4), "reject", "country_fr: 40.0 %"),
        (sliced(), "promote", "does not apply"),
        ({"evaluate/slices": 0}, "hold", "no fresh votes"),
    ],
)
def test_slices(measured: Metrics, result: Result, fact: str) -> None:
    finding = check(SlicesGate(), measured)
    assert finding.result == result
    assert fact in finding.reason
