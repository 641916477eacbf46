"""A verdict from the findings of gates, and what gates get to see."""

import json

import numpy as np

from evaluation.gates.kl_budget import KLBudgetGate
from evaluation.gates.win_rate import WinRateGate
from evaluation.verdict import Finding, GateInputs, Verdict
from tests.evaluation.gates.findings import check, votes


def test_gates_never_see_the_true_utility() -> None:
    """The evaluation that measures a metric declares it as hidden; its name has no effect."""
    assert GateInputs(candidate={"evaluate/true_gain": 1.0, "reward/loss": 0.3}).candidate == {"reward/loss": 0.3}
    assert GateInputs(candidate={"evaluate/true_positives": 0.9}).candidate == {"evaluate/true_positives": 0.9}


def test_a_verdict_is_the_worst_of_its_findings() -> None:
    findings = [Finding(gate=result, result=result, reason="…") for result in ("promote", "hold", "reject")]
    assert [Verdict(findings=tuple(findings[:count])).result for count in range(4)] == [
        "hold",
        "promote",
        "hold",
        "reject",
    ]


def test_a_verdict_survives_json_and_derives_its_result() -> None:
    verdict = Verdict(findings=(check(WinRateGate(), votes(0.45, 0.41, 0.49)), check(KLBudgetGate(), {})))
    stored = json.loads(json.dumps(verdict.to_json(), allow_nan=False))
    assert stored["result"] == "reject"
    assert Verdict.from_json(stored) == verdict
    assert Verdict.from_json(stored | {"result": "promote"}).result == "reject"


def test_numbers_from_numpy_are_stored_as_plain_numbers() -> None:
    assert json.dumps(Finding(gate="g", result="hold", reason="…", numbers={"x": np.float64(0.5)}).model_dump())
