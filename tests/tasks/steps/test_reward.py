"""Reward model and judge, fitted on disjoint pairs."""

from pathlib import Path

import pytest

from core.errors import BadFeedback
from core.files import digest, read_json
from models.reward import RewardModel
from tasks.steps.reward import MIN_PAIRS, reward
from tests.tasks.steps.hand_written import Logged, opened, put, write_preferences


def test_too_few_pairs_are_an_error_that_names_the_split(tmp_path: Path) -> None:
    round = opened(tmp_path)
    write_preferences(round.workspace, "train", MIN_PAIRS)
    write_preferences(round.workspace, "judge", MIN_PAIRS - 1)
    with pytest.raises(BadFeedback, match=r"19 preference pairs in judge, need 20.*curate\.split\.judge"):
        reward(round, Logged())


def test_two_models_start_from_the_sft_model_and_are_calibrated(tmp_path: Path, models: Path) -> None:
    round = opened(tmp_path, reward={"epochs": 1})
    workspace = round.workspace
    put(models / "sft", workspace.checkpoint("sft"))
    write_preferences(workspace, "train", 20)
    write_preferences(workspace, "judge", 21)
    reward(round, Logged())
    numbers = read_json(workspace.report("reward"))["metrics"]
    assert (numbers["pairs"], numbers["judge_pairs"], numbers["annotators"]) == (20, 21, 0)
    fitted = RewardModel.load(workspace.checkpoint("reward"))
    assert fitted.temperature == numbers["temperature"] != 1.0
    assert digest(workspace.checkpoint("reward")) != digest(workspace.checkpoint("judge"))
