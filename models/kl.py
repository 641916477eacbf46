"""The KL penalty coefficient: fixed, or adapted to keep the KL to the reference policy near a target."""

from typing import Any

from pydantic import Field

from core.settings import BaseSettings

MAX_ERROR = 0.2  # the relative error is clipped to ±0.2 (Ziegler et al. 2019, section 2.2)


class KLSettings(BaseSettings):
    """KL penalty in the reward. KL per sequence is summed over the tokens of an answer and averaged over answers."""

    coefficient: float = Field(0.05, ge=0)
    """KL penalty coefficient (β), in normalised score per nat; the initial value if `target` is set."""
    target: float | None = Field(None, gt=0)
    """Target KL in nats per sequence, for an adaptive coefficient; null keeps the coefficient fixed."""
    horizon: int = Field(1280, gt=0)
    """Episodes in which a KL error of 20 % or more changes the coefficient by 20 %; 1280 is ten batches of 128."""
    limit: float | None = Field(None, gt=0)
    """KL in nats per sequence above which training stops, whatever the score; null for no limit."""


class KLController:
    """Adaptive KL penalty coefficient: updated after each batch (Ziegler et al. 2019, section 2.2)."""

    def __init__(self, knobs: KLSettings) -> None:
        self.knobs = knobs
        self.coefficient = knobs.coefficient

    def update(self, kl: float, episodes: int) -> None:
        """Adapt the coefficient to a batch of `episodes` answers with mean KL `kl`, in nats per sequence."""
        if self.knobs.target is not None:
            error = min(max(kl / self.knobs.target - 1, -MAX_ERROR), MAX_ERROR)
            self.coefficient *= 1 + error * episodes / self.knobs.horizon

    def stops(self, kl: float) -> bool:
        """Whether `kl`, in nats per sequence, exceeds the limit, so that training must stop."""
        return self.knobs.limit is not None and kl > self.knobs.limit

    def state_dict(self) -> dict[str, Any]:
        """The state to save in a checkpoint."""
        return {"coefficient": self.coefficient}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state from a checkpoint."""
        self.coefficient = float(state["coefficient"])
