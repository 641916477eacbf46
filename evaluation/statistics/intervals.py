"""How sure a measured rate or mean is: intervals, and p-values that allow for many looks.

Answers to one prompt, and to its near-duplicates, rise and fall together. Whatever is averaged here is therefore
resampled, or tested, by prompt *group*: rows of one group count as one piece of evidence.
"""

from collections.abc import Sequence
from math import hypot, sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LEVEL = 0.95
DRAWS = 2000
FLIPS = 9999


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


def difference(after: Interval, before: Interval) -> Interval:
    """The difference of two estimates from separate rows (MOVER: Zou and Donner 2008).

    Where the rows overlap after all, it errs on the wide side. `n` is the smaller of the two.
    """
    gap = after.estimate - before.estimate
    low = gap - hypot(after.estimate - after.low, before.high - before.estimate)
    high = gap + hypot(after.high - after.estimate, before.estimate - before.low)
    return Interval(gap, low, high, min(after.n, before.n))


def flip_test(wins: npt.ArrayLike, groups: Sequence[str], seed: int = 0, draws: int = FLIPS) -> float:
    """Two-sided p-value that the two sides win alike, by flipping the sides of whole groups (Fisher 1935).

    `wins` (n,) is 1 for a win, 0 for a loss, one half for a tie. A group weighs what its rows add up to, as it does in
    the mean, so that rate and p-value never point to different sides; groups that are even say nothing. The smallest
    p-value is 1 / (draws + 1).
    """
    leads, _ = _by_group(np.asarray(wins, dtype=np.float64) - 0.5, groups)
    sizes, counts = np.unique(np.abs(leads), return_counts=True)
    # of k groups with the same lead a Binomial(k, 1/2) keep their side
    flipped = (2 * np.random.default_rng(seed).binomial(counts, 0.5, (draws, len(sizes))) - counts) @ sizes
    as_far = np.abs(flipped) >= abs(leads.sum()) - 1e-9
    return float((1 + as_far.sum()) / (draws + 1))


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
