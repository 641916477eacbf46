"""Gates on the reward model: accuracy, calibration, and whether it still stands for something."""

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
    ("measured", "result", "why"),
    [
        (reward(0.7, 0.05), "promote", "above chance and length, the champion has none to compare with"),
        (reward(0.7, 0.05, pairs=99), "hold", "99 held-out pairs"),
        (reward(0.54, 0.05), "reject", "chance"),
        (reward(0.6, 0.05, over_length=-0.05), "reject", "-5.0 points (-9.0 to -1.0) above length alone, need 3"),
        (reward(0.6, 0.05, over_length=0.06), "hold", "+6.0 points (+2.0 to +10.0) above length alone, need 3"),
        (reward(0.7, 0.05) | measured("reward_over_champion", -0.01, 0.03), "promote", "not behind the champion's"),
        (reward(0.7, 0.05) | measured("reward_over_champion", -0.04, 0.03), "hold", "may lose 5"),
        (reward(0.7, 0.05) | measured("reward_over_champion", -0.09, 0.03), "reject", "may lose 5"),
    ],
)
def test_reward_accuracy(measured: Metrics, result: Result, why: str) -> None:
    finding = check(RewardAccuracyGate(), measured)
    assert finding.result == result
    assert why in finding.reason


def calibrated(ece: float, chance: float, p: float, pairs: int = 400) -> Metrics:
    found = {"reward_ece": ece, "reward_ece_chance": chance, "reward_ece_p": p, "reward_pairs": pairs}
    return {f"evaluate/{name}": number for name, number in found.items()}


@pytest.mark.parametrize(
    ("measured", "result", "why"),
    [
        (calibrated(0.06, 0.05, 0.3), "promote", "the champion has no reward model"),
        (calibrated(0.12, 0.05, 0.005), "reject", "can't be believed"),
        (calibrated(0.12, 0.05, 0.2), "promote", "0.120, where luck alone makes 0.050"),  # large, but luck does it
        (calibrated(0.03, 0.01, 0.005), "promote", "0.030"),  # no luck, but small
        (calibrated(0.06, 0.05, 0.3, pairs=99), "hold", "99 held-out pairs are too few"),
        (calibrated(0.06, 0.05, 0.3) | measured("reward_brier_rise", -0.01, 0.02), "promote", "Brier score -0.010"),
        (calibrated(0.06, 0.05, 0.3) | measured("reward_brier_rise", 0.01, 0.02), "hold", "may be more than 0.02"),
        (calibrated(0.06, 0.05, 0.3) | measured("reward_brier_rise", 0.06, 0.02), "reject", "worse beyond chance"),
    ],
)
def test_calibration(measured: Metrics, result: Result, why: str) -> None:
    finding = check(CalibrationGate(), measured)
    assert finding.result == result
    assert why in finding.reason


def moved(reward: float, judge: float, gap: float | None = None) -> Metrics:
    found = measured("reward_gain", reward, 0.1, judge_prompts=500) | measured("judge_gain", judge, 0.1)
    return found if gap is None else found | measured("judge_over_votes", gap, 0.04, votes=500)


@pytest.mark.parametrize(
    ("measured", "result", "why"),
    [
        (moved(0.5, 0.4, 0.02), "promote", "expects 2.0 points of votes more than there are: nothing parts"),
        (moved(0.5, -0.2, 0.02), "reject", "the judge falls while the reward rises"),
        (moved(0.5, -0.05, 0.02), "promote", "nothing parts"),  # falls, but not beyond chance
        (moved(0.5, 0.4, 0.15), "hold", "judge and votes part"),
        (moved(0.05, -0.2, 0.15), "promote", "does not rise beyond chance"),
        (moved(0.5, 0.4), "promote", "no fresh votes"),
    ],
)
def test_overoptimisation(measured: Metrics, result: Result, why: str) -> None:
    finding = check(OveroptimisationGate(), measured)
    assert finding.result == result
    assert why in finding.reason
