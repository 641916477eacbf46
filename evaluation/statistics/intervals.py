"""Confidence intervals of rates and means, and p-values adjusted for multiple tests.

Answers to one prompt and its near-duplicates are correlated. Everything averaged here is therefore resampled, or
tested, by prompt *group*: the rows of a group are one independent observation.
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
    """An estimate with its confidence interval (95 % by default)."""

    estimate: float
    low: float
    high: float
    n: int
    """number of rows"""

    def named(self, name: str) -> dict[str, float]:
        """As metrics: `name`, `name_low`, `name_high`."""
        return {name: self.estimate, f"{name}_low": self.low, f"{name}_high": self.high}


def wilson(successes: float, n: int, level: float = LEVEL) -> Interval:
    """Wilson's score interval for a share of `n` independent rows, n at least 1 (Wilson 1927).

    Unlike estimate ± z·se it stays inside 0 to 1 and has a positive width at 0 of n and n of n.
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

    Whole groups are drawn with replacement; a mean is the drawn groups' sum over their number of rows. With g groups
    the interval is too narrow by about one part in 2g, and with one group it has no width: use a few dozen or more.
    """
    sums, counts = _by_group(np.asarray(values, dtype=np.float64), groups)
    rng = np.random.default_rng(seed)
    picks = (rng.integers(len(sums), size=len(sums)) for _ in range(draws))
    means = [sums[pick].sum() / counts[pick].sum() for pick in picks]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(sums.sum() / counts.sum()), float(low), float(high), int(counts.sum()))


def paired(after: npt.ArrayLike, before: npt.ArrayLike, groups: Sequence[str], seed: int = 0) -> Interval:
    """The mean of `after` - `before`, row by row: shared variance cancels, so it is narrower than `difference`."""
    return bootstrap(np.subtract(after, before), groups, seed)


def difference(after: Interval, before: Interval) -> Interval:
    """The difference of two independent estimates (MOVER: Zou and Donner 2008).

    If the rows overlap, the interval is conservative (too wide). `n` is the smaller of the two.
    """
    gap = after.estimate - before.estimate
    low = gap - hypot(after.estimate - after.low, before.high - before.estimate)
    high = gap + hypot(after.high - after.estimate, before.estimate - before.low)
    return Interval(gap, low, high, min(after.n, before.n))


def flip_test(wins: npt.ArrayLike, groups: Sequence[str], seed: int = 0, draws: int = FLIPS) -> float:
    """Two-sided p-value of equal win rates, by randomly swapping the sides of whole groups (Fisher 1935).

    `wins` (n,) is 1 for a win, 0 for a loss, one half for a tie. A group has the weight of its rows, as in
    the mean, so that rate and p-value never favour different sides; evenly split groups have no effect. The smallest
    p-value is 1 / (draws + 1).
    """
    leads, _ = _by_group(np.asarray(wins, dtype=np.float64) - 0.5, groups)
    sizes, counts = np.unique(np.abs(leads), return_counts=True)
    # of k groups with the same lead a Binomial(k, 1/2) keep their side
    flipped = (2 * np.random.default_rng(seed).binomial(counts, 0.5, (draws, len(sizes))) - counts) @ sizes
    as_far = np.abs(flipped) >= abs(leads.sum()) - 1e-9
    return float((1 + as_far.sum()) / (draws + 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for multiple tests (Holm 1979), in the order given.

    The k-th smallest of m is multiplied by m - k + 1, then raised to the adjusted value before it if that is larger.
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
