"""How the strength of a preference changes its target: a margin between the scores, or a softer label."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from pydantic import Field

from core.settings import BaseSettings


class StrengthSettings(BaseSettings):
    """Use of the strength of preferences. Pairs without a stated strength are trained as if it were off."""

    use_as: Literal["nothing", "margin", "soft_label"] = "nothing"
    """`margin`: the chosen score should exceed the rejected one by `scale` × strength (Touvron et al. 2023, eq. 2);
    `soft_label`: the target moves from ½ (strength 0) to the share of votes (strength 1)."""
    scale: float = Field(1.0, ge=0)
    """Margin of a preference of strength 1, in log-odds."""


NO_STRENGTH = StrengthSettings()
"""Strength is not used."""


class Target(NamedTuple):
    """What the loss of one pair aims at."""

    p: float
    """Probability that the chosen answer is better."""
    weight: float
    margin: float
    """Log-odds that are subtracted from the difference of the scores."""


def target(row: Mapping[str, Any], knobs: StrengthSettings) -> Target:
    """The target of a row with p_chosen, weight and strength (0 to 1, or None); a tie has no margin."""
    p, strength = row["p_chosen"], row.get("strength")
    if strength is None or knobs.use_as == "nothing":
        return Target(p, row["weight"], 0.0)
    if knobs.use_as == "soft_label":
        return Target(0.5 + (p - 0.5) * strength, row["weight"], 0.0)
    return Target(p, row["weight"], knobs.scale * strength if p > 0.5 else 0.0)
