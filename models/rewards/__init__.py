"""Reward functions that a policy is trained on, one per file. `use: http` loads `models/rewards/http.py`."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from core.plugins import Plugin
from models.engines import Score
from models.reward import RewardModel
from models.tokens import Turn


class ScoringContext(NamedTuple):
    """What a reward function may use in the step `policy`."""

    tokenizer: PreTrainedTokenizerBase
    """Of the policy."""
    end_ids: frozenset[int]
    """Tokens that end an answer."""
    prompts: Mapping[tuple[int, ...], Sequence[Turn]]
    """Token ids of each prompt, as batches have it → its turns."""
    model: Callable[[], RewardModel]
    """Loads the round's reward model."""


class RewardFunction(Plugin):
    """What the policy is trained on, with its settings."""

    def check(self) -> None:
        """Check, before a round opens, that it can be used.

        Raises:
            RoundsError: it cannot.
        """
        return None

    def frozen(self) -> "RewardFunction":
        """The same as it is recorded when a round opens: what is looked up then is in it.

        Raises:
            RoundsError: it cannot be looked up.
        """
        return self

    def as_frozen(self, recorded: Mapping[str, Any]) -> "RewardFunction":
        """The same with what was looked up when a round opened, unless it is set here: to compare with that round."""
        return self

    @abstractmethod
    def scoring(self, context: ScoringContext) -> AbstractContextManager[Score]:
        """The function that scores batches of prompts with answers, while a block runs.

        All ranks call it with the same batches, and get the same scores.

        Raises:
            RoundsError: it cannot be used.
        """
