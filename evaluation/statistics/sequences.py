"""Confidence sequences: intervals of a rate that stay valid when it is monitored continuously.

An interval such as Wilson's is valid for one look at a number of rows fixed in advance; checked after every row, it
sooner or later excludes the true rate. A confidence *sequence* is valid at all times simultaneously, so that one may
look at any time and stop at will.
"""

from itertools import count

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import betaln, xlog1py, xlogy

from evaluation.statistics.intervals import LEVEL, Interval

_PRIOR = 0.5
"""Both parameters of the Beta mixing distribution: close to the best fixed bet (Krichevsky, Trofimov)."""
_MARGIN = 1e-12  # smallest distance of a bound from 0 and 1
_TOLERANCE = 1e-15  # absolute error of a bound


def sequence(total: float, n: int, level: float = LEVEL) -> Interval:
    """The mean of `n` values between 0 and 1 that add up to `total`, by the beta-binomial mixture (Howard et al. 2021).

    At each n it contains the means m against which a bettor's wealth stays below `1 / (1 - level)` times the stake. By
    Ville's inequality a true m is ever excluded with probability at most `1 - level`: see `log_wealth`. Without rows
    the interval is 0 to 1.

    The only assumption is that each value has the conditional mean m given all earlier ones. Only the total matters,
    not the order, so that late or batched values may be added at any time. Values between 0 and 1 are allowed; their
    intervals are as wide as those of Bernoulli variables with the same mean.
    """
    if n == 0:
        return Interval(0.5, 0.0, 1.0, 0)
    limit = -np.log1p(-level)
    return Interval(total / n, _end(total, n, limit, 0.0), _end(total, n, limit, 1.0), n)


def fewest(mean: float, level: float) -> int:
    """The smallest number of values whose sequence can exclude that a rate is `mean`: all of them are 0.

    Raises:
        ValueError: `mean` is not positive: no number of zeros excludes that.
    """
    if mean <= 0:
        raise ValueError(f"mean is {mean}, expected more than 0")
    return next(n for n in count(1) if log_wealth(0, n, mean) > -np.log1p(-level))


def _end(total: float, n: int, limit: float, edge: float) -> float:
    """The mean between the estimate and an edge at which the wealth reaches its limit; the edge if it never does."""

    def excess(mean: float) -> float:
        return float(log_wealth(total, n, mean)) - limit

    outermost = abs(edge - _MARGIN)
    return float(brentq(excess, outermost, total / n, xtol=_TOLERANCE)) if excess(outermost) > 0 else edge


def log_wealth(total: npt.ArrayLike, n: npt.ArrayLike, mean: float) -> npt.NDArray[np.float64]:
    """Log wealth of a bettor who staked 1 against the mean, after `n` values that add up to `total`.

    A bet on p multiplies the wealth by (p/m)^x ((1-p)/(1-m))^(1-x). By the inequality of weighted means that is at most
    x p/m + (1-x) (1-p)/(1-m), whose expectation is 1 if x has the mean m: a supermartingale for values between 0 and 1,
    and a martingale for Bernoulli variables. The same holds for a Beta(½, ½) mixture over p (Robbins 1970), which has a
    closed form. It is a bet in the sense of Waudby-Smith and Ramdas (2024).
    """
    wins, losses = np.asarray(total, np.float64), np.asarray(n, np.float64) - np.asarray(total, np.float64)
    mixed = betaln(_PRIOR + wins, _PRIOR + losses) - betaln(_PRIOR, _PRIOR)
    wealth: npt.NDArray[np.float64] = mixed - xlogy(wins, mean) - xlog1py(losses, -mean)
    return wealth
