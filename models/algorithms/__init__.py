"""RL algorithms that train a policy on a reward, one per file. `use: ppo` loads `models/algorithms/ppo.py`."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import SerializeAsAny

from core.log import Log, ignore
from core.plugins import Plugin, used
from models.checkpoints import Checkpoints
from models.engines import Engine
from models.launching import LaunchSettings
from models.rewards import RewardFunction
from models.rewards.learned import LearnedReward


class Algorithm(Plugin):
    """An RL algorithm with its settings."""

    start: Literal["sft", "champion"] = "champion"
    """Initial policy. The KL reference is the SFT policy in both cases, so that KL accumulates across rounds."""
    reward: Annotated[SerializeAsAny[RewardFunction], used("models.rewards", default="learned")] = LearnedReward()
    """What the policy is trained on: `learned`, the round's reward model, or `http`, a server of your own."""
    launch: LaunchSettings = LaunchSettings()
    """Training on several processes."""

    @abstractmethod
    def train(
        self,
        engine: Engine,
        prompts: Sequence[Sequence[int]],
        limit: int,
        checkpoints: Checkpoints | None = None,
        log: Log = ignore,
        seed: int = 0,
    ) -> None:
        """Train the engine's policy; its reference, the policy for the KL penalty, is not changed.

        Args:
            engine: samples, scores and updates; the only way to a model.
            prompts: token ids that end where the answer begins (`tokens.encode_prompts`).
            limit: maximum number of tokens in an answer, EOS included.
            checkpoints: where the training state is saved. If it holds a state of this run, training resumes from it
                and ends with the same weights as an uninterrupted run.
            log: receives the metrics of each iteration.
            seed: seed of the random number generator; the same seed gives the same weights.
        """
