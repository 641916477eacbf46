"""Train, judge and holdout splits: a prompt group is in one split, permanently, by a salted hash of its id."""

import hashlib
from typing import Literal, Self

from pydantic import Field, model_validator

from core.errors import BadParams
from core.settings import BaseSettings

SplitName = Literal["train", "judge", "holdout"]


class SplitSettings(BaseSettings):
    """Shares of the prompt groups in each split; they sum to 1. The splits are disjoint."""

    train: float = Field(0.70, ge=0, le=1)
    """Share of the prompt groups that the reward model is trained on."""
    judge: float = Field(0.15, ge=0, le=1)
    """Share of the prompt groups that the judge model is trained on."""
    holdout: float = Field(0.15, ge=0, le=1)
    """Share of the prompt groups that no model is trained on."""

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> Self:
        total = self.train + self.judge + self.holdout
        if abs(total - 1) > 1e-9:
            raise BadParams(f"split: train + judge + holdout is {total:g}; make the three shares sum to 1")
        return self

    def split_of(self, group: str, salt: str) -> SplitName:
        """The split of a prompt group: a pure function of group, salt and shares, independent of the other data.

        The holdout has the lowest hashes, so changing the shares of train and judge moves no group into or out of it.
        """
        digest = hashlib.sha256(f"{salt}\0{group}".encode()).digest()
        position = int.from_bytes(digest[:8], "big") / 2**64
        if position < self.holdout:
            return "holdout"
        return "judge" if position < self.holdout + self.judge else "train"
