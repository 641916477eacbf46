"""Outcomes as numbers: 1 for a win, 0 for a loss, one half for a tie."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def wins(ours: npt.ArrayLike, theirs: npt.ArrayLike) -> Array:
    """(n,) 1 if our score is higher, 0 if it is lower, one half if they are equal."""
    return np.asarray((np.sign(np.subtract(ours, theirs)) + 1) / 2)


def agreement(margins: npt.ArrayLike, p_first: npt.ArrayLike) -> Array:
    """(n,) share of each pair's votes that agree with the margin's sign; one half if the margin is 0.

    `p_first` is the share of votes for the first answer. With one vote per pair it is 1 or 0, and its mean
    the accuracy.
    """
    favoured = wins(margins, 0.0)
    votes = np.asarray(p_first, dtype=np.float64)
    return favoured * votes + (1 - favoured) * (1 - votes)
