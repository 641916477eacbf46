"""What the machine costs: `prices.yaml` in the workspace. It is no part of a round, and changes no result."""

from pydantic import Field

from core.settings import BaseSettings, parse, read
from tasks.state.workspace import Workspace


class PriceSettings(BaseSettings):
    """The price of the machine that rounds run on."""

    hour: float | None = Field(None, gt=0)
    """Price of an hour of the machine, GPUs included; without it the cost of a round is not given in money."""
    currency: str = Field("USD", min_length=1, max_length=8)
    """The currency of the price, as it is printed."""


def prices(workspace: Workspace) -> PriceSettings:
    """The content of `prices.yaml`; no price without one.

    Raises:
        BadParams: an unknown setting, or an invalid value.
    """
    values = read(workspace.prices) if workspace.prices.exists() else {}
    return parse(PriceSettings, values, str(workspace.prices))
