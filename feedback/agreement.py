"""Agreement between people who voted on the same pair: percentage agreement and Krippendorff's alpha."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Agreement(NamedTuple):
    """Agreement over all pairs with at least two votes."""

    pairs: int
    """Number of pairs with at least two votes."""
    share: float
    """Percentage agreement: mean probability that two votes drawn from the same pair are equal, 0 to 1."""
    alpha: float | None
    """Krippendorff's alpha: 1 is perfect, 0 is chance level; None if all votes are equal (alpha is undefined)."""


def agreement(shares: Sequence[Sequence[float]]) -> Agreement | None:
    """Agreement of the votes on each pair: 1 for one answer, 0 for the other, .5 for a tie.

    None if no pair has two votes. Which answer of a pair comes first is arbitrary, so alpha is computed over every
    pair in both orders.
    """
    multiple = [votes for votes in shares if len(votes) > 1]
    if not multiple:
        return None
    mirrored = [[1 - vote for vote in votes] for votes in multiple]
    share = float(np.mean([_equal_share(votes) for votes in multiple]))
    return Agreement(len(multiple), share, alpha([*multiple, *mirrored]))


def alpha(units: Sequence[Sequence[float]]) -> float | None:
    """Krippendorff's alpha for interval data (Krippendorff 2011, metric δ² = (c - k)²): 1 - D_o / D_e.

    A unit is the list of all values given to one item. Units with fewer than two values are ignored. None if there
    are no others, or all values are equal.
    """
    paired = [np.asarray(unit, dtype=np.float64) for unit in units if len(unit) > 1]
    if not paired:
        return None
    values = np.concatenate(paired)
    count = len(values)
    expected = _squares(values) / (count * (count - 1))
    observed = sum(_squares(unit) / (len(unit) - 1) for unit in paired) / count
    return float(1 - observed / expected) if expected else None


def _squares(values: np.ndarray) -> float:
    """Σ (v_i - v_j)² over all ordered pairs."""
    return float(2 * (len(values) * np.square(values).sum() - values.sum() ** 2))


def _equal_share(votes: Sequence[float]) -> float:
    """Share of all pairs of votes whose values are equal."""
    _, counts = np.unique(votes, return_counts=True)
    return float((counts * (counts - 1)).sum() / (len(votes) * (len(votes) - 1)))
