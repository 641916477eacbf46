"""Calibration of a reward model's probabilities: temperature, calibration error, Brier score, reliability diagram.

Arrays are (n,), one entry per pair. `margins` are log-odds that the first answer wins, `p` is the probability
σ(margin), and `labels` are the first answer's shares of the votes. The order of the two answers is arbitrary, so pairs
are *folded* before binning: the answer the model prefers comes first. Without folding, pairs stored as (chosen,
rejected) have only labels above one half, and even a perfect model looks miscalibrated.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import expit

Array = npt.NDArray[np.float64]
LOG_TEMPERATURE_BOUNDS = (-4.0, 4.0)  # 0.018 to 55; at a bound, the margins are separable or random


class Bins(NamedTuple):
    """A reliability diagram: bins of (almost) equal count, least confident first; the last of ten is the top decile."""

    confidence: Array
    """(bins,) mean probability of the preferred answer, 0.5 to 1"""
    accuracy: Array
    """(bins,) mean share of votes for the preferred answer, 0 to 1"""
    pairs: npt.NDArray[np.int64]
    """(bins,) number of pairs"""


class Calibration(NamedTuple):
    """Calibration error and proper scoring rules of the probabilities."""

    ece: float
    """Expected calibration error (ECE): mean |accuracy - confidence| over bins, weighted by count."""
    top_gap: float
    """Confidence minus accuracy in the most confident bin; above 0: overconfident in the region PPO moves to."""
    brier: float
    """Brier score: mean squared error of the probability; 0.25 for a constant prediction of one half."""
    nll: float
    """Mean negative log-likelihood in nats; log 2 for a constant prediction of one half."""
    bins: Bins


def negative_log_likelihood(margins: Array, labels: Array) -> Array:
    """-[y log σ(m) + (1 - y) log σ(-m)] per pair: (n,) in nats, computed without overflow."""
    return np.asarray(np.logaddexp(0.0, -margins) + (1 - labels) * margins)


def brier(margins: Array, labels: Array) -> Array:
    """Squared error of the probability σ(m) per pair: (n,) (Brier 1950)."""
    return np.asarray(np.square(expit(margins) - labels))


def temperature(margins: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Temperature scaling: the T that minimises the negative log-likelihood of σ(margin / T) (Guo et al. 2017, 4.2).

    Labels may be soft. T > 1 means that the model is overconfident. Use held-out pairs: on the training pairs, T is
    meaningless.
    """
    m, y = np.asarray(margins, np.float64), np.asarray(labels, np.float64)

    def loss(log_temperature: float) -> float:
        return float(negative_log_likelihood(m / np.exp(log_temperature), y).mean())

    return float(np.exp(minimize_scalar(loss, bounds=LOG_TEMPERATURE_BOUNDS, method="bounded").x))


class ChanceCalibration(NamedTuple):
    """The calibration error of a perfectly calibrated model on as many pairs, due to sampling alone."""

    ece: float
    """Mean ECE under perfect calibration; with few pairs per bin it is well above 0."""
    p: float
    """p-value: probability of an ECE at least as large as the observed one, under perfect calibration."""


def chance(margins: npt.ArrayLike, labels: npt.ArrayLike, draws: int = 200, seed: int = 0) -> ChanceCalibration:
    """Distribution of the ECE under perfect calibration, from labels drawn with the model's own probabilities.

    Consistency resampling (Bröcker and Smith 2007). One vote is drawn per pair; if pairs had several votes, this
    overestimates the error due to sampling, and the test is conservative.
    """
    m = np.asarray(margins, np.float64)
    observed = calibration(m, labels).ece
    rng, p = np.random.default_rng(seed), expit(m)
    resampled = np.array([calibration(m, (rng.random(len(p)) < p).astype(np.float64)).ece for _ in range(draws)])
    return ChanceCalibration(float(resampled.mean()), float((1 + (resampled >= observed).sum()) / (1 + draws)))


def fold(p: Array, labels: Array) -> tuple[Array, Array]:
    """Put the answer that the model prefers first: probabilities of at least 0.5 and their labels, (n,) each."""
    swap = p < 0.5
    return np.where(swap, 1 - p, p), np.where(swap, 1 - labels, labels)


def reliability(p: Array, labels: Array, bins: int = 10) -> Bins:
    """Reliability diagram of the folded pairs; with fewer pairs than bins, one bin per pair."""
    confidence, accuracy = fold(p, labels)
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    return Bins(
        np.array([confidence[part].mean() for part in parts]),
        np.array([accuracy[part].mean() for part in parts]),
        np.array([len(part) for part in parts], dtype=np.int64),
    )


def calibration(margins: npt.ArrayLike, labels: npt.ArrayLike, temperature: float = 1.0) -> Calibration:
    """Calibration of σ(margin / temperature) against the labels; needs at least one pair."""
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
