"""Who learns from what: a prompt group belongs to one split, for good, by a salted hash of its id alone."""

import hashlib
from typing import Literal, Self

from pydantic import Field, model_validator

from core.errors import BadParams
from core.knobs import BaseSettings

SplitName = Literal["train", "judge", "holdout"]


class SplitSettings(BaseSettings):
    """Shares of the prompt groups. The judge model learns from a part that the reward model never sees."""

    train: float = Field(0.70, ge=0, le=1)
    """Share of the groups that the reward model learns from."""
    judge: float = Field(0.15, ge=0, le=1)
    """Share of the groups that the judge model learns from."""
    holdout: float = Field(0.15, ge=0, le=1)
    """Share of the groups that nothing learns from."""

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> Self:
        total = self.train + self.judge + self.holdout
        if abs(total - 1) > 1e-9:
            raise BadParams(f"split: train + judge + holdout is {total:g}; make the three shares sum to 1")
        return self

    def split_of(self, group: str, salt: str) -> SplitName:
        """The split of a prompt group: a pure function of group, salt and shares, whatever else is in the data.

        The holdout is cut first: moving the border between train and judge takes no group into it or out of it.
        """
        digest = hashlib.sha256(f"{salt}\0{group}".encode()).digest()
        place = int.from_bytes(digest[:8], "big") / 2**64
        if place < self.holdout:
            return "holdout"
        return "judge" if place < self.holdout + self.judge else "train"
