"""How far people who voted on the same pair agree: percentage agreement and Krippendorff's alpha."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Agreement(NamedTuple):
    """What the votes on pairs with two votes or more say of each other."""

    pairs: int
    """Pairs with two votes or more."""
    share: float
    """Probability that two votes on the same pair, drawn at random, are alike."""
    alpha: float | None
    """1 is perfect, 0 is chance; None where all votes are alike, so that chance has nothing to be compared with."""


def agreement(shares: Sequence[Sequence[float]]) -> Agreement | None:
    """Agreement of the votes on each pair: 1 for one answer, 0 for the other, .5 for a tie. None without two on any.

    Which answer of a pair counts as the first is arbitrary, so alpha is that of all pairs shown both ways round.
    """
    shared = [votes for votes in shares if len(votes) > 1]
    if not shared:
        return None
    mirrored = [[1 - vote for vote in votes] for votes in shared]
    return Agreement(len(shared), float(np.mean([_alike(votes) for votes in shared])), alpha([*shared, *mirrored]))


def alpha(units: Sequence[Sequence[float]]) -> float | None:
    """Krippendorff's alpha for interval data (Krippendorff 2011, metric δ² = (c - k)²): 1 - D_o / D_e.

    A unit is one thing that was judged, with all judgements of it. Units with fewer than two say nothing. None where
    nothing differs.
    """
    paired = [np.asarray(unit, dtype=np.float64) for unit in units if len(unit) > 1]
    if not paired:
        return None
    everything = np.concatenate(paired)
    count = len(everything)
    expected = _squares(everything) / (count * (count - 1))
    observed = sum(_squares(unit) / (len(unit) - 1) for unit in paired) / count
    return float(1 - observed / expected) if expected else None


def _squares(values: np.ndarray) -> float:
    """Σ (v_i - v_j)² over all ordered pairs."""
    return float(2 * (len(values) * np.square(values).sum() - values.sum() ** 2))


def _alike(votes: Sequence[float]) -> float:
    """Share of the pairs of votes that are equal."""
    _, counts = np.unique(votes, return_counts=True)
    return float((counts * (counts - 1)).sum() / (len(votes) * (len(votes) - 1)))
