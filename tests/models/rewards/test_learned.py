"""The reward model is what a policy is trained on by default."""

from typing import Any

from models.algorithms.ppo import PPO
from models.policy import Policy
from models.rewards.learned import LearnedReward
from tests.models.rewards.test_http import Two, context


def test_the_rounds_reward_model_scores(tiny: Policy) -> None:
    chosen = PPO().reward
    assert isinstance(chosen, LearnedReward)
    with chosen.scoring(context(tiny)) as score:
        found: Any = score
        assert isinstance(found, Two)
    assert chosen.frozen() is chosen.as_frozen({"use": "learned"}) is chosen
