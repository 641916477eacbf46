import json

import numpy as np
import pytest

from core import plugins
from tasks.evals import Metrics
from tasks.evidence import Evidence, Finding, Result, Verdict
from tasks.gates import Gate
from tasks.gates.criteria import Criteria
from tasks.gates.kl_budget import KLBudget
from tasks.gates.reward_accuracy import RewardAccuracy
from tasks.gates.win_rate import WinRate


def votes(rate: float, low: float, high: float, count: int = 512, groups: int = 60) -> Metrics:
    return {
        "evaluate/win_rate": rate,
        "evaluate/win_rate_low": low,
        "evaluate/win_rate_high": high,
        "evaluate/votes": count,
        "evaluate/vote_groups": groups,
    }


def judge(rate: float, low: float, high: float) -> Metrics:
    return {
        "evaluate/judge_win_rate": rate,
        "evaluate/judge_win_rate_low": low,
        "evaluate/judge_win_rate_high": high,
        "evaluate/judge_prompts": 300,
    }


def reward(rate: float, half: float, pairs: int = 400, over_length: float = 0.1) -> Metrics:
    return {
        "evaluate/reward_accuracy": rate,
        "evaluate/reward_accuracy_low": rate - half,
        "evaluate/reward_accuracy_high": rate + half,
        "evaluate/reward_pairs": pairs,
        "evaluate/reward_over_length": over_length,
        "evaluate/reward_over_length_low": over_length - 0.04,
        "evaluate/reward_over_length_high": over_length + 0.04,
    }


def criterion(name: str, rate: float, p: float, count: int = 256) -> Metrics:
    key = f"evaluate/criterion_{name}"
    return {key: rate, f"{key}_low": rate - 0.05, f"{key}_high": rate + 0.05, f"{key}_p": p, f"{key}_votes": count}


def check(gate: Gate, candidate: Metrics, champion: Metrics | None = None, trust_judge: bool = False) -> Finding:
    return gate.check(Evidence(candidate=candidate, champion=champion or {}, trust_judge=trust_judge))


def test_win_rate_reads_like_a_sentence() -> None:
    finding = check(WinRate(), votes(0.612, 0.579, 0.644))
    assert finding.result == "promote"
    assert finding.reason == (
        "fresh votes prefer the candidate 61.2 % of the time (57.9 to 64.4 %, 512 votes): above 50 %"
    )
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
    assert check(WinRate(), measured).result == result


def test_a_reward_hack_is_rejected_by_people_though_the_judge_likes_it() -> None:
    hack = judge(0.91, 0.88, 0.94) | votes(0.35, 0.31, 0.39)
    assert check(WinRate(), hack).result == "reject"
    assert check(WinRate(), hack, trust_judge=True).result == "reject"


def test_without_votes_the_judge_decides_only_where_it_is_trusted() -> None:
    praised = judge(0.91, 0.88, 0.94)
    waiting = check(WinRate(), praised)
    assert (waiting.result, waiting.reason[:14]) == ("hold", "no fresh votes")
    assert check(WinRate(), praised, trust_judge=True).result == "promote"
    assert check(Criteria(), praised, trust_judge=True).result == "promote"


def test_a_lost_criterion_rejects_after_holm() -> None:
    # .02·2 = .04 is a loss; with a third and a fourth look it is .08, and none
    lost = criterion("correct", 0.41, 0.02) | criterion("polite", 0.60, 0.9)
    finding = check(Criteria(), lost)
    assert finding.result == "reject"
    assert "under correct: 41.0 % of the votes (p 0.04)" in finding.reason
    more = lost | criterion("concise", 0.5, 0.9) | criterion("safe", 0.5, 0.9)
    assert check(Criteria(), more).result == "promote"


def test_winning_a_criterion_is_no_loss() -> None:
    assert check(Criteria(), criterion("correct", 0.9, 0.0001)).result == "promote"


def test_too_few_votes_on_a_criterion_hold() -> None:
    finding = check(Criteria(), criterion("safe", 0.4, 0.5, count=12) | criterion("correct", 0.6, 0.1))
    assert (finding.result, finding.reason) == ("hold", "fewer than 50 fresh votes on safe")


@pytest.mark.parametrize(
    ("mean", "tail", "result"), [(10.0, 30.0, "promote"), (10.1, 20.0, "reject"), (9.0, 31.0, "reject")]
)
def test_kl_budget(mean: float, tail: float, result: Result) -> None:
    gate = KLBudget(limit=10, limit_p95=30)
    assert check(gate, {"evaluate/kl_mean": mean, "evaluate/kl_p95": tail}).result == result


def test_a_divergence_that_is_not_finite_counts_as_not_measured() -> None:
    assert check(KLBudget(), {"evaluate/kl_mean": float("nan"), "evaluate/kl_p95": 3.0}).result == "hold"


@pytest.mark.parametrize(
    ("measured", "result", "why"),
    [
        (reward(0.7, 0.05), "promote", "above chance"),
        (reward(0.7, 0.05, pairs=99), "hold", "99 held-out pairs"),
        (reward(0.54, 0.05), "reject", "chance"),
        (reward(0.6, 0.05, over_length=-0.05), "reject", "5.0 % behind what length alone predicts"),
        (reward(0.6, 0.05, over_length=-0.03), "promote", "above chance"),
    ],
)
def test_reward_accuracy(measured: Metrics, result: Result, why: str) -> None:
    finding = check(RewardAccuracy(), measured)
    assert finding.result == result
    assert why in finding.reason


def test_a_reward_model_behind_the_champions_is_rejected() -> None:
    # .62 - .75 = -.13 ± √(.04² + .04²) = ± .057: at best .073 behind
    finding = check(RewardAccuracy(margin=0.05), reward(0.62, 0.04), reward(0.75, 0.04))
    assert finding.result == "reject"
    assert check(RewardAccuracy(margin=0.08), reward(0.62, 0.04), reward(0.75, 0.04)).result == "promote"


def test_a_lower_ceiling_excuses_a_lower_accuracy() -> None:
    ours = reward(0.62, 0.04) | {"evaluate/reward_ceiling": 0.70}
    theirs = reward(0.75, 0.04) | {"evaluate/reward_ceiling": 0.83}
    assert check(RewardAccuracy(), ours, theirs).result == "promote"


@pytest.mark.parametrize("name", plugins.names("tasks.gates"))
def test_no_gate_promotes_what_was_not_measured(name: str) -> None:
    gate = plugins.find("tasks.gates", name)()
    assert isinstance(gate, Gate)
    finding = check(gate, {})
    assert (finding.gate, finding.result) == (name, "hold")


def test_gates_never_see_the_true_utility() -> None:
    assert Evidence(candidate={"evaluate/true_gain": 1.0, "reward/loss": 0.3}).candidate == {"reward/loss": 0.3}


def test_a_verdict_is_the_worst_of_its_findings() -> None:
    findings = [Finding(gate=result, result=result, reason="…") for result in ("promote", "hold", "reject")]
    assert [Verdict(findings=tuple(findings[:count])).result for count in range(4)] == [
        "hold",
        "promote",
        "hold",
        "reject",
    ]


def test_a_verdict_survives_json_and_derives_its_result() -> None:
    verdict = Verdict(findings=(check(WinRate(), votes(0.45, 0.41, 0.49)), check(KLBudget(), {})))
    stored = json.loads(json.dumps(verdict.to_json(), allow_nan=False))
    assert stored["result"] == "reject"
    assert Verdict.from_json(stored) == verdict
    assert Verdict.from_json(stored | {"result": "promote"}).result == "reject"


def test_numbers_from_numpy_are_stored_as_plain_numbers() -> None:
    assert json.dumps(Finding(gate="g", result="hold", reason="…", numbers={"x": np.float64(0.5)}).model_dump())
