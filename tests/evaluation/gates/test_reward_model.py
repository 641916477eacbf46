"""Gates on the reward model: accuracy, calibration, overoptimisation."""

import pytest

from evaluation.evals import Metrics
from evaluation.gates.calibration import CalibrationGate
from evaluation.gates.overoptimisation import OveroptimisationGate
from evaluation.gates.reward_accuracy import RewardAccuracyGate
from evaluation.verdict import Result
from tests.evaluation.gates.findings import check, measured


def reward(rate: float, half: float, pairs: int = 400, over_length: float = 0.1) -> Metrics:
    return measured("reward_accuracy", rate, half, reward_pairs=pairs) | measured(
        "reward_over_length", over_length, 0.04
    )


@pytest.mark.parametrize(
    ("measured", "result", "fact"),
    [
        (reward(0.7, 0.05), "promote", "no reward model"),
        (reward(0.7, 0.05, pairs=99), "hold", "99 held-out pairs"),
        (reward(0.54, 0.05), "reject", "chance"),
        (reward(0.6, 0.05, over_length=-0.05), "reject", "-5.0 points (-9.0 to -1.0)"),
        (reward(0.6, 0.05, over_length=0.06), "hold", "+6.0 points (+2.0 to +10.0)"),
        (reward(0.7, 0.05) | measured("reward_over_champion", -0.01, 0.03), "promote", "the champion's"),
        (reward(0.7, 0.05) | measured("reward_over_champion", -0.04, 0.03), "hold", "-4.0 points (-7.0 to -1.0)"),
        (reward(0.7, 0.05) | measured("reward_over_champion", -0.09, 0.03), "reject", "-9.0 points (-12.0 to -6.0)"),
    ],
)
def test_reward_accuracy(measured: Metrics, result: Result, fact: str) -> None:
    finding = check(RewardAccuracyGate(), measured)
    assert finding.result == result
    assert fact in finding.reason


def calibrated(ece: float, chance: float, p: float, pairs: int = 400) -> Metrics:
    metrics = {"reward_ece": ece, "reward_ece_chance": chance, "reward_ece_p": p, "reward_pairs": pairs}
    return {f"evaluate/{name}": number for name, number in metrics.items()}


@pytest.mark.parametrize(
    ("measured", "result", "fact"),
    [
        (calibrated(0.06, 0.05, 0.3), "promote", "no reward model"),
        (calibrated(0.12, 0.05, 0.005), "reject", "0.120"),
        (calibrated(0.12, 0.05, 0.2), "promote", "0.120"),  # large, but not significant
        (calibrated(0.03, 0.01, 0.005), "promote", "0.030"),  # significant, but small
        (calibrated(0.06, 0.05, 0.3, pairs=99), "hold", "99 held-out pairs"),
        (calibrated(0.06, 0.05, 0.3) | measured("reward_brier_rise", -0.01, 0.02), "promote", "Brier score -0.010"),
        (calibrated(0.06, 0.05, 0.3) | measured("reward_brier_rise", 0.01, 0.02), "hold", "Brier score +0.010"),
        (calibrated(0.06, 0.05, 0.3) | measured("reward_brier_rise", 0.06, 0.02), "reject", "Brier score +0.060"),
    ],
)
def test_calibration(measured: Metrics, result: Result, fact: str) -> None:
    finding = check(CalibrationGate(), measured)
    assert finding.result == result
    assert fact in finding.reason


def moved(reward: float, judge: float, gap: float | None = None) -> Metrics:
    metrics = measured("reward_gain", reward, 0.1, judge_prompts=500) | measured("judge_gain", judge, 0.1)
    return metrics if gap is None else metrics | measured("judge_over_votes", gap, 0.04, votes=500)


@pytest.mark.parametrize(
    ("measured", "result", "fact"),
    [
        (moved(0.5, 0.4, 0.02), "promote", "2.0 points higher"),
        (moved(0.5, -0.2, 0.02), "reject", "judge -0.20"),
        (moved(0.5, -0.05, 0.02), "promote", "judge -0.05"),  # falls, but not significantly
        (moved(0.5, 0.4, 0.15), "hold", "15.0 points higher"),
        (moved(0.05, -0.2, 0.15), "promote", "reward +0.05"),
        (moved(0.5, 0.4), "promote", "no fresh votes"),
    ],
)
def test_overoptimisation(measured: Metrics, result: Result, fact: str) -> None:
    finding = check(OveroptimisationGate(), measured)
    assert finding.result == result
    assert fact in finding.reason
