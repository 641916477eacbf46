"""How sure a rate is when it is looked at again and again: confidence sequences.

An interval such as Wilson's holds for one look at a number of rows that was fixed before; looked at after each row, it
misses the truth sooner or later. A confidence *sequence* holds at all times at once, so that one may look whenever one
likes, and stop when one has seen enough.
"""

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import betaln, xlog1py, xlogy

from evaluation.statistics.intervals import LEVEL, Interval

_PRIOR = 0.5
"""Both parameters of the Beta distribution that is mixed over: never far from the best bet (Krichevsky, Trofimov)."""
_NEAR = 1e-12  # how near to 0 and 1 a bound is looked for
_EXACT = 1e-15  # how far off a bound may be


def sequence(total: float, n: int, level: float = LEVEL) -> Interval:
    """The mean of `n` values between 0 and 1 that add up to `total`, by the beta-binomial mixture (Howard et al. 2021).

    At each n it holds the means m against which nobody could have won `1 / (1 - level)` times their stake, which is how
    often Ville's inequality lets a true m be left out, ever: see `log_wealth`. No rows leave 0 to 1.

    It asks for nothing but that each value has the mean m given all before it. It knows no order but "before now":
    what comes in late or in batches may be put anywhere. Values that are not 0 or 1 are allowed, and give intervals as
    wide as a coin's of that mean.
    """
    if n == 0:
        return Interval(0.5, 0.0, 1.0, 0)
    limit = -np.log1p(-level)
    return Interval(total / n, _end(total, n, limit, 0.0), _end(total, n, limit, 1.0), n)


def _end(total: float, n: int, limit: float, edge: float) -> float:
    """The mean between the estimate and an edge at which the wealth reaches its limit; the edge where none does."""

    def excess(mean: float) -> float:
        return float(log_wealth(total, n, mean)) - limit

    outermost = abs(edge - _NEAR)
    return float(brentq(excess, outermost, total / n, xtol=_EXACT)) if excess(outermost) > 0 else edge


def log_wealth(total: npt.ArrayLike, n: npt.ArrayLike, mean: float) -> npt.NDArray[np.float64]:
    """Log of what a stake of 1 has become that was bet against the mean, after `n` values that add up to `total`.

    A bet on p turns the stake by (p/m)^x ((1-p)/(1-m))^(1-x). By the inequality of weighted means that is at most
    x p/m + (1-x) (1-p)/(1-m), which is 1 on average where x has the mean m: a supermartingale for values between 0 and
    1, and a martingale for coins. A Beta(½, ½) mixture over p is one, too (Robbins 1970), in closed form. It is a bet
    in the sense of Waudby-Smith and Ramdas (2024).
    """
    wins, losses = np.asarray(total, np.float64), np.asarray(n, np.float64) - np.asarray(total, np.float64)
    mixed = betaln(_PRIOR + wins, _PRIOR + losses) - betaln(_PRIOR, _PRIOR)
    wealth: npt.NDArray[np.float64] = mixed - xlogy(wins, mean) - xlog1py(losses, -mean)
    return wealth
