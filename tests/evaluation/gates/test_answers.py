"""Gates on the answers and their cost: refusals, red-team prompts, length, diversity, divergence, budget."""

import pytest

from evaluation.evals import Metrics
from evaluation.gates.cost import CostGate
from evaluation.gates.diversity import DiversityGate
from evaluation.gates.kl_budget import KLBudgetGate
from evaluation.gates.length import LengthGate
from evaluation.gates.red_team import RedTeamGate
from evaluation.gates.refusal import RefusalGate
from evaluation.verdict import GateInputs, Result
from tests.evaluation.gates.findings import check, measured


@pytest.mark.parametrize(
    ("measured", "result"),
    [
        (measured("refusal_rise", 0.0, 0.02, refusal_prompts=300, refusal_rate=0.01), "promote"),
        (measured("refusal_rise", 0.04, 0.02, refusal_prompts=300), "hold"),
        (measured("refusal_rise", 0.09, 0.02, refusal_prompts=300), "reject"),
        (measured("refusal_rise", 0.0, 0.0, refusal_prompts=99), "hold"),
    ],
)
def test_refusal(measured: Metrics, result: Result) -> None:
    assert check(RefusalGate(), measured).result == result


@pytest.mark.parametrize(
    ("numbers", "result"),
    [
        (measured("red_team_rise", -0.10, 0.06, red_team_prompts=192, red_team_success=0.02), "promote"),
        (measured("red_team_rise", 0.03, 0.06, red_team_prompts=192, red_team_success=0.15), "promote"),
        (measured("red_team_rise", 0.12, 0.06, red_team_prompts=192, red_team_success=0.24), "reject"),
        ({"evaluate/red_team_prompts": 192.0}, "hold"),
        ({"evaluate/red_team_prompts": 0.0}, "promote"),
    ],
)
def test_red_team(numbers: Metrics, result: Result) -> None:
    assert check(RedTeamGate(), numbers).result == result


def test_red_team_reports_its_numbers_and_may_be_required() -> None:
    finding = check(RedTeamGate(), measured("red_team_rise", 0.12, 0.06, red_team_prompts=192, red_team_success=0.24))
    assert all(fact in finding.reason for fact in ("24.0 % of 192", "+12.0 points (+6.0 to +18.0)", "margin of 5"))
    assert finding.numbers == pytest.approx(
        {"red_team_rise": 0.12, "red_team_rise_low": 0.06, "red_team_rise_high": 0.18}
    )
    assert check(RedTeamGate(required=True), {"evaluate/red_team_prompts": 0.0}).result == "hold"


@pytest.mark.parametrize(("ratio", "result"), [(0.59, "reject"), (0.6, "promote"), (1.5, "promote"), (1.51, "reject")])
def test_length(ratio: float, result: Result) -> None:
    assert check(LengthGate(), {"evaluate/length_ratio": ratio}).result == result


def test_a_length_just_outside_is_not_shown_as_the_limit() -> None:
    assert "0.5999 times" in check(LengthGate(), {"evaluate/length_ratio": 0.59994}).reason
    assert "1.501 times" in check(LengthGate(), {"evaluate/length_ratio": 1.5012}).reason


@pytest.mark.parametrize(
    ("distinct", "alike", "result"), [(0.71, 0.64, "promote"), (0.69, 0.6, "reject"), (1.0, 0.66, "reject")]
)
def test_diversity(distinct: float, alike: float, result: Result) -> None:
    metrics = {"distinct_2_kept": distinct, "self_bleu": alike, "champion_self_bleu": 0.6}
    assert check(DiversityGate(), {f"evaluate/{name}": number for name, number in metrics.items()}).result == result


def test_self_bleu_may_rise_by_half_the_distance_from_the_champions_to_1() -> None:
    metrics = {"evaluate/distinct_2_kept": 1.0, "evaluate/champion_self_bleu": 0.96}
    assert check(DiversityGate(), metrics | {"evaluate/self_bleu": 0.975}).result == "promote"
    finding = check(DiversityGate(), metrics | {"evaluate/self_bleu": 0.985})
    assert (finding.result, "0.02)" in finding.reason) == ("reject", True)


@pytest.mark.parametrize(
    ("mean", "tail", "result"), [(10.0, 30.0, "promote"), (10.1, 20.0, "reject"), (9.0, 31.0, "reject")]
)
def test_kl_budget(mean: float, tail: float, result: Result) -> None:
    gate = KLBudgetGate(limit=10, limit_p95=30)
    finding = check(gate, {"evaluate/kl_mean": mean, "evaluate/kl_p95": tail, "evaluate/champion_kl_mean": 4.0})
    assert finding.result == result
    assert finding.numbers == {"kl_mean": mean, "kl_p95": tail, "champion_kl_mean": 4.0}


def test_a_divergence_that_is_not_finite_counts_as_not_measured() -> None:
    others = {"evaluate/kl_p95": 3.0, "evaluate/champion_kl_mean": 1.0}
    assert check(KLBudgetGate(), {"evaluate/kl_mean": float("nan"), **others}).result == "hold"


SPENT = {"collect/tokens": 1000, "policy/answer/sampled": 2500, "sample/tokens": 500}


@pytest.mark.parametrize(
    ("gate", "seconds", "result", "fact"),
    [
        (CostGate(), 100.0, "promote", "4,000 tokens"),
        (CostGate(tokens=4000), None, "promote", "4,000 tokens"),
        (CostGate(tokens=3999), None, "reject", "3,999 tokens"),
        (CostGate(seconds=99), 100.0, "reject", "in 100 s: over the budget of 99 s"),
        (CostGate(seconds=99, tokens=1), 100.0, "reject", "1 tokens and 99 s"),
        (CostGate(seconds=99), None, "hold", "seconds"),
    ],
)
def test_cost(gate: CostGate, seconds: float | None, result: Result, fact: str) -> None:
    finding = gate.check(GateInputs(candidate=SPENT, seconds=seconds))
    assert finding.result == result
    assert fact in finding.reason


def test_without_a_time_budget_the_finding_does_not_depend_on_the_clock() -> None:
    assert (
        len({CostGate().check(GateInputs(candidate=SPENT, seconds=s)).model_dump_json() for s in (None, 1.0, 2.0)}) == 1
    )
