"""How dear it is to leave the reference policy: a fixed price, or one that steers the KL to a target."""

from typing import Any

from pydantic import Field

from core.knobs import BaseSettings

CLIP = 0.2  # Ziegler et al. 2019, section 2.2: the proportional error counts at most ±0.2


class KLSettings(BaseSettings):
    """The KL penalty in the reward. KL is per sequence: nats summed over an answer, averaged over answers."""

    coefficient: float = Field(0.05, ge=0)
    """Weight of the KL per token, in units of normalised score per nat; where there is a target, its start."""
    target: float | None = Field(None, gt=0)
    """Nats per sequence to steer to; without one the coefficient stays as it is."""
    horizon: int = Field(1280, gt=0)
    """Episodes over which a full error of 20 % changes the coefficient by 20 %: ten batches of 128."""
    limit: float | None = Field(None, gt=0)
    """Nats per sequence at which training stops, whatever the score says."""


class KLController:
    """Moves the coefficient towards the target after each batch (Ziegler et al. 2019, section 2.2)."""

    def __init__(self, knobs: KLSettings) -> None:
        self.knobs = knobs
        self.coefficient = knobs.coefficient

    def update(self, kl: float, episodes: int) -> None:
        """Learn that a batch of `episodes` answers was `kl` nats per sequence away from the reference."""
        if self.knobs.target is not None:
            error = min(max(kl / self.knobs.target - 1, -CLIP), CLIP)
            self.coefficient *= 1 + error * episodes / self.knobs.horizon

    def stops(self, kl: float) -> bool:
        """Whether the policy has left the budget and must not learn on."""
        return self.knobs.limit is not None and kl > self.knobs.limit

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has to remember."""
        return {"coefficient": self.coefficient}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.coefficient = float(state["coefficient"])
