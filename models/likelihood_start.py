"""Whether the likelihood term is a good start for a reward model (docs/decisions/0007).

A small model from scratch knows little else than what people wrote, so the likelihood of an answer is a good first
guess. For a pretrained base it is not: measured on SmolLM2-135M, it agreed with 45 % of the pairs, the margins had a
standard deviation of 10.8 log-odds, and the trained model was right on 25 to 39 % of held-out pairs, in place of 71 to
75 % without the term.
"""

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

FROM_SCRATCH = 0.2
"""β for a model from scratch."""
MAX_STD = 3.0
"""Largest standard deviation of the margins before training, in log-odds."""
SIGNIFICANCE = 0.05
"""Level of the one-sided binomial test that fewer than half of the pairs agree."""

Floats = npt.NDArray[np.float64]


def weight(likelihood: float | None, base: str) -> float:
    """β of the score: as set, or else by whether the base model is from scratch."""
    if likelihood is not None:
        return likelihood
    return FROM_SCRATCH if base == "scratch" else 0.0


def problem(margins: Floats, p_chosen: Floats, likelihood: float) -> str | None:
    """Why the term is no good start: it varies by more than `MAX_STD`, or disagrees with people; None if it is one.

    Args:
        margins: score of chosen minus rejected before training, in log-odds, (n,).
        p_chosen: share of votes for the chosen answer, (n,).
        likelihood: β.
    """
    decided = p_chosen != 0.5
    if margins.std() > MAX_STD:
        return (
            f"with reward.likelihood={likelihood:g}, the likelihood alone gives the pairs margins with a standard "
            f"deviation of {margins.std():.1f} log-odds, above {MAX_STD}: people's preferences could not correct it; "
            "set reward.likelihood=0"
        )
    count, agreeing = int(decided.sum()), int(((margins > 0) == (p_chosen > 0.5))[decided].sum())
    if count and binom.cdf(agreeing, count, 0.5) < SIGNIFICANCE:
        return (
            f"with reward.likelihood={likelihood:g}, the likelihood alone agrees with only {agreeing / count:.0%} of "
            f"{count} decided pairs; set reward.likelihood=0"
        )
    return None
