"""How sure a measured rate or mean is: intervals, and p-values that allow for many looks.

Answers to one prompt, and to its near-duplicates, rise and fall together. Whatever is averaged here is therefore
resampled, or tested, by prompt *group*: rows of one group count as one piece of evidence.
"""

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr

Array = npt.NDArray[np.float64]

LEVEL = 0.95
DRAWS = 2000


class Interval(NamedTuple):
    """An estimate and the interval that the truth lies in, at the level asked for (95 % unless told)."""

    estimate: float
    low: float
    high: float
    n: int
    """rows that the estimate rests on"""

    def named(self, name: str) -> dict[str, float]:
        """As metrics: `name`, `name_low`, `name_high`."""
        return {name: self.estimate, f"{name}_low": self.low, f"{name}_high": self.high}


def wilson(successes: float, n: int, level: float = LEVEL) -> Interval:
    """Wilson's score interval for a share of `n` independent rows, n at least 1 (Wilson 1927).

    Unlike estimate ± z·se it stays inside 0 to 1 and keeps a width at 0 of n and n of n.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half), n)


def bootstrap(
    values: npt.ArrayLike, groups: Sequence[str], seed: int = 0, level: float = LEVEL, draws: int = DRAWS
) -> Interval:
    """The mean of at least one value, with the percentile interval of a cluster bootstrap (Efron and Tibshirani 1993).

    Whole groups are drawn with replacement; a mean is the drawn groups' sum over their count of rows. With g groups it
    comes out too narrow by about one part in 2g, and with one group it has no width: lean on it from some tens on.
    """
    sums, counts = _by_group(np.asarray(values, dtype=np.float64), groups)
    rng = np.random.default_rng(seed)
    picks = (rng.integers(len(sums), size=len(sums)) for _ in range(draws))
    means = [sums[pick].sum() / counts[pick].sum() for pick in picks]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(sums.sum() / counts.sum()), float(low), float(high), int(counts.sum()))


def paired(after: npt.ArrayLike, before: npt.ArrayLike, groups: Sequence[str], seed: int = 0) -> Interval:
    """The mean of `after` - `before`, row by row: what the rows share cancels, so it beats comparing two intervals."""
    return bootstrap(np.subtract(after, before), groups, seed)


def sign_test(wins: npt.ArrayLike, groups: Sequence[str]) -> float:
    """Two-sided p-value that the two sides win alike, by the exact sign test over groups.

    `wins` (n,) is 1 for a win, 0 for a loss, one half for a tie. A group counts for the side that won more of it;
    groups that are even say nothing.
    """
    leads, _ = _by_group(np.asarray(wins, dtype=np.float64) - 0.5, groups)
    ahead, behind = int((leads > 0).sum()), int((leads < 0).sum())
    return min(1.0, 2 * float(bdtr(min(ahead, behind), ahead + behind, 0.5)))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for looking at all of them (Holm 1979), in the order given.

    The k-th smallest of m is multiplied by m - k + 1, and none ends below a smaller one.
    """
    adjusted = [0.0] * len(p_values)
    worst = 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = worst
    return adjusted


def _by_group(values: Array, groups: Sequence[str]) -> tuple[Array, Array]:
    """Sum and count of the rows of each group."""
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    return np.bincount(index, values, len(names)).astype(np.float64), np.bincount(index).astype(np.float64)
