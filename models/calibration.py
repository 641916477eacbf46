"""Whether a reward model's probabilities can be taken at their word: temperature, ECE, Brier, reliability.

Arrays are (n,): one entry a pair. `p` is the probability that the first answer wins; `label` the share of votes it got.
Which answer of a pair comes first is arbitrary, so pairs are *folded* before they are binned: the model's favourite
comes first. Without that, pairs stored as (chosen, rejected) have only labels above one half and look miscalibrated
whatever the model says.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import expit

Array = npt.NDArray[np.float64]
LOG_TEMPERATURES = (-4.0, 4.0)  # .018 to 55: beyond it there is nothing to fit (separable or random margins)


class Bins(NamedTuple):
    """A reliability diagram: bins of (almost) equal mass, the least confident first. The last is the top decile."""

    confidence: Array
    """Mean probability the model gave its favourite, .5 to 1."""
    accuracy: Array
    """Mean share of votes the favourite got."""
    pairs: npt.NDArray[np.int64]
    """How many there are in the bin."""


class Calibration(NamedTuple):
    """How well probabilities match labels."""

    ece: float
    """Expected calibration error: mean |accuracy - confidence| over bins, weighted by count."""
    top_gap: float
    """Confidence minus accuracy in the most confident bin: above 0 the model is too sure where PPO will go."""
    brier: float
    """Mean squared error of the probability; .25 for a model that always says one half."""
    nll: float
    """Mean negative log-likelihood in nats; log 2 for a model that always says one half."""
    bins: Bins


def negative_log_likelihood(margins: Array, labels: Array) -> Array:
    """-[y log σ(m) + (1 - y) log σ(-m)] per pair, in nats, without overflow."""
    return np.asarray(np.logaddexp(0.0, -margins) + (1 - labels) * margins)


def brier(margins: Array, labels: Array) -> Array:
    """Squared error of the probability σ(m), pair by pair (Brier 1950)."""
    return np.asarray(np.square(expit(margins) - labels))


def temperature(margins: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """The T for which σ(margin / T) fits held-out labels best (Guo et al. 2017, 4.2; here with soft labels).

    Above 1 the model was too sure. Fitted on margins that the model did not learn from, or it says nothing.
    """
    m, y = np.asarray(margins, np.float64), np.asarray(labels, np.float64)

    def loss(log_temperature: float) -> float:
        return float(negative_log_likelihood(m / np.exp(log_temperature), y).mean())

    return float(np.exp(minimize_scalar(loss, bounds=LOG_TEMPERATURES, method="bounded").x))


class ChanceCalibration(NamedTuple):
    """What the calibration error of a perfectly calibrated model would be, on as many pairs."""

    ece: float
    """Its mean: with few pairs in a bin it is well above 0."""
    p: float
    """Probability of an error as large as the one found."""


def chance(margins: npt.ArrayLike, labels: npt.ArrayLike, draws: int = 200, seed: int = 0) -> ChanceCalibration:
    """The calibration error that luck alone makes: votes are drawn from the model's own probabilities.

    Consistency resampling (Bröcker and Smith 2007). One vote is drawn a pair, so that where pairs had several, luck is
    given more credit than it deserves.
    """
    m = np.asarray(margins, np.float64)
    found = calibration(m, labels).ece
    rng, p = np.random.default_rng(seed), expit(m)
    drawn = np.array([calibration(m, (rng.random(len(p)) < p).astype(np.float64)).ece for _ in range(draws)])
    return ChanceCalibration(float(drawn.mean()), float((1 + (drawn >= found).sum()) / (1 + draws)))


def fold(p: Array, labels: Array) -> tuple[Array, Array]:
    """Each pair with the model's favourite first: (p ≥ .5, its label)."""
    swap = p < 0.5
    return np.where(swap, 1 - p, p), np.where(swap, 1 - labels, labels)


def reliability(p: Array, labels: Array, bins: int = 10) -> Bins:
    """The reliability diagram of folded pairs. With fewer pairs than bins, one bin a pair."""
    confidence, accuracy = fold(p, labels)
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    return Bins(
        np.array([confidence[part].mean() for part in parts]),
        np.array([accuracy[part].mean() for part in parts]),
        np.array([len(part) for part in parts], dtype=np.int64),
    )


def calibration(margins: npt.ArrayLike, labels: npt.ArrayLike, temperature: float = 1.0) -> Calibration:
    """How well σ(margin / temperature) matches the labels of at least one pair."""
    m, y = np.asarray(margins, np.float64) / temperature, np.asarray(labels, np.float64)
    p = expit(m)
    bins = reliability(p, y)
    gaps = bins.confidence - bins.accuracy
    return Calibration(
        ece=float(np.average(np.abs(gaps), weights=bins.pairs)),
        top_gap=float(gaps[-1]),
        brier=float(brier(m, y).mean()),
        nll=float(negative_log_likelihood(m, y).mean()),
        bins=bins,
    )
