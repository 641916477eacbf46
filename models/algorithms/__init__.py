"""How a policy learns from a reward: one file an algorithm. `use: ppo` loads `models/algorithms/ppo.py`."""

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
    """Anything that says how good texts are; a `RewardModel` with the policy's tokenizer, or a rule."""

    def __call__(self, batch: Batch) -> Tensor:
        """One number a text, higher is better, on the scale of one standard deviation: (B,) float32."""


class Algorithm(Plugin):
    """A way to make a policy better."""

    start: Literal["sft", "champion"] = "champion"
    """Where training starts; the KL reference is the SFT policy either way, so that KL adds up across rounds."""

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
        """Train `policy` in place and return it; `reference` is what it must not stray from, and is left alone.

        `prompts` are token ids that end where an answer begins (`tokens.encode_prompts`); an answer has at most `limit`
        tokens. Where `checkpoints` hold a state of this run, training goes on from there and ends with the same weights
        as if it had not stopped.
        """
