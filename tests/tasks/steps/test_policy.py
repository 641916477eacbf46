"""The candidate: trained from the champion or the SFT model."""

from pathlib import Path

import pytest
import torch

from core.files import read_json
from models.policy import Policy
from models.reward_server import NoReward
from tasks.state.workspace import Workspace
from tasks.steps.policy import policy
from tests.models.grading import Grader, grading
from tests.tasks.steps.hand_written import QUESTIONS, Logged, opened, put, write_prompts

KNOBS = {"use": "ppo", "steps": 1, "episodes": 2, "minibatch": 2, "epochs": 1, "learning_rate": 1e-12}
"""One step of next to no length: the candidate is almost its initial policy."""


def weights(folder: Path) -> torch.Tensor:
    return torch.cat([parameter.flatten() for parameter in Policy.load(folder).model.parameters()])


def furnished(workspace: Workspace, models: Path) -> None:
    put(models / "policy", workspace.champion)
    put(models / "sft", workspace.checkpoint("sft"))
    put(models / "reward", workspace.checkpoint("reward"))
    write_prompts(workspace, "train")


@pytest.mark.parametrize(("start", "source"), [("champion", "policy"), ("sft", "sft")])
def test_the_algorithm_names_the_initial_policy(tmp_path: Path, models: Path, start: str, source: str) -> None:
    round = opened(tmp_path, champion="4", policy=KNOBS | {"start": start})
    furnished(round.workspace, models)
    policy(round, Logged())
    distance = {
        name: (weights(round.workspace.checkpoint("policy")) - weights(models / name)).abs().max().item()
        for name in ("policy", "sft")
    }
    assert distance.pop(source) < 1e-9
    assert min(distance.values()) > 1e-3


def test_the_report_has_the_last_iteration_without_times(tmp_path: Path, models: Path) -> None:
    round, log = opened(tmp_path, champion="4", policy=KNOBS | {"steps": 2}), Logged()
    furnished(round.workspace, models)
    policy(round, log)
    reported = read_json(round.workspace.report("policy"))["metrics"]
    assert reported == {name: value for name, value in log.last.items() if not name.startswith("time/")}
    assert any(name.startswith("time/") for name in log.last)


def test_a_server_scores_what_the_policy_writes(tmp_path: Path, models: Path) -> None:
    with grading(Grader(scores=lambda answers: [0.5] * len(answers))) as grader:
        knobs = KNOBS | {"reward": {"use": "http", "url": grader.url}, "unended_score": None}
        round, log = opened(tmp_path, champion="4", policy=knobs), Logged()
        furnished(round.workspace, models)
        policy(round, log)
        assert log.last["objective/score"] == 0.5
        asked = {text["prompt"][0]["content"] for text in grader.posts[-1]["texts"]}
        assert asked < set(QUESTIONS)
    round = opened(tmp_path / "away", champion="4", policy=knobs | {"steps": 2})
    furnished(round.workspace, models)
    round.values["policy"]["reward"] |= {"attempts": 1}
    with pytest.raises(NoReward, match="the reward server failed with"):
        policy(round, Logged())
