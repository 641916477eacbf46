"""RL algorithms that train a policy on a reward, one per file. `use: ppo` loads `models/algorithms/ppo.py`."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal, Protocol

from torch import Tensor

from core.log import Log, ignore
from core.plugins import Plugin
from models.checkpoints import Checkpoints
from models.policy import Policy
from models.tokens import Batch


class Score(Protocol):
    """A reward function: a `RewardModel` with the policy's tokenizer, or a rule."""

    def __call__(self, batch: Batch) -> Tensor:
        """One score per text, higher is better, with a standard deviation of about 1: (B,) float32."""


class Algorithm(Plugin):
    """An RL algorithm with its settings."""

    start: Literal["sft", "champion"] = "champion"
    """Initial policy. The KL reference is the SFT policy in both cases, so that KL accumulates across rounds."""

    @abstractmethod
    def train(
        self,
        policy: Policy,
        reference: Policy,
        reward: Score,
        prompts: Sequence[Sequence[int]],
        limit: int,
        checkpoints: Checkpoints | None = None,
        log: Log = ignore,
        seed: int = 0,
    ) -> Policy:
        """Train `policy` in place and return it; `reference`, the policy for the KL penalty, is not changed.

        Args:
            policy: the policy to train.
            reference: the frozen policy that the KL penalty is measured against.
            reward: scores each prompt with its answer.
            prompts: token ids that end where the answer begins (`tokens.encode_prompts`).
            limit: maximum number of tokens in an answer, EOS included.
            checkpoints: where the training state is saved. If it holds a state of this run, training resumes from it
                and ends with the same weights as an uninterrupted run.
            log: receives the metrics of each iteration.
            seed: seed of the random number generator; the same seed gives the same weights.
        """
