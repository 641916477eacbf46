"""Accuracy and calibration of the champion's reward model on new votes, which it was not trained on."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from core.metrics import INTERVAL, Metric
from evaluation.drift import Array, DriftCheck, DriftFindings, by_permutation
from evaluation.drift.limits import LimitSettings
from evaluation.statistics.intervals import bootstrap
from evaluation.statistics.outcomes import agreement
from evaluation.statistics.wording import percent
from models.calibration import calibration

FRESH_ACCURACY = Metric(
    "fresh_accuracy",
    "drift",
    "share",
    "up",
    "Share of new votes that the champion's reward model predicts. This and the next four need a champion that was "
    "trained against a reward model.",
    ends=INTERVAL,
    rare=True,
)
FRESH_PAIRS = Metric(
    "fresh_pairs",
    "drift",
    "pairs",
    "up",
    "Non-tied pairs with new votes.",
    rare=True,
)
FRESH_ECE = Metric(
    "fresh_ece",
    "drift",
    "share",
    "down",
    "Expected calibration error on new votes, as in `evaluate/reward_ece`.",
    rare=True,
)
FRESH_BRIER = Metric(
    "fresh_brier",
    "drift",
    "none",
    "down",
    "Brier score on new votes: mean squared error of the probability.",
    rare=True,
)
FRESH_ACCURACY_DROP = Metric(
    "fresh_accuracy_drop",
    "drift",
    "share",
    "near 0",
    "Loss of accuracy since training; if the annotator's noise is known, minus the part that noisier votes explain. "
    "If it is large, preferences or annotators have changed.",
    ends=(
        "_p",
        "_alarm",
    ),
    rare=True,
)
FRESH_OVERCONFIDENCE = Metric(
    "fresh_overconfidence",
    "drift",
    "share",
    "near 0",
    "Increase of overconfidence: mean confidence minus accuracy.",
    ends=(
        "_p",
        "_alarm",
    ),
    rare=True,
)

MIN_PAIRS = 10
"""Non-tied pairs needed on either side."""


class ScoredPairs(NamedTuple):
    """Pairs with votes and reward margins; one per prompt group, so that rows are independent."""

    margins: Array
    """(n,) calibrated reward of chosen over rejected: σ(margin) is the probability that chosen wins"""
    p_chosen: Array
    """(n,) share of the votes for chosen"""
    ceiling: float | None = None
    """The best possible accuracy on these votes, if the annotator's noise is known; else None."""

    @property
    def right(self) -> Array:
        """(non-tied,) share of votes that agree with the margin's sign."""
        keep = self.p_chosen != 0.5
        votes: Array = agreement(self.margins[keep], self.p_chosen[keep])
        return votes

    @property
    def overconfidence(self) -> Array:
        """(non-tied,) the model's confidence in the answer it prefers, minus the share of votes for that answer."""
        keep = self.p_chosen != 0.5
        confidence: npt.NDArray[np.float64] = expit(np.abs(self.margins[keep]))
        return confidence - self.right


def drift(before: ScoredPairs, now: ScoredPairs, limits: LimitSettings, seed: int) -> DriftFindings:
    """Compare the model on new votes with the same model on the votes held out when it was trained.

    If both ceilings are known, their difference is the part of the loss that noisier votes explain; it is subtracted.
    """
    old, new = before.right, now.right
    if min(len(old), len(new)) < MIN_PAIRS:
        return DriftFindings()
    explained = before.ceiling - now.ceiling if before.ceiling is not None and now.ceiling is not None else 0.0
    rate = bootstrap(new, [str(row) for row in range(len(new))])
    look = "held-out pairs that it gets wrong; a round with the new votes retrains it"
    accuracy = DriftCheck(
        FRESH_ACCURACY_DROP,
        float(old.mean() - new.mean()) - explained,
        limits.fresh_accuracy_drop,
        by_permutation(old - explained, new, seed, "greater"),
        f"the champion's reward model predicts {percent(new.mean())} of new votes, {percent(old.mean())} before",
        look,
    )
    confidence = DriftCheck(
        FRESH_OVERCONFIDENCE,
        float(now.overconfidence.mean() - before.overconfidence.mean()),
        limits.fresh_overconfidence,
        by_permutation(now.overconfidence, before.overconfidence, seed, "greater"),
        f"the champion's reward model is overconfident by {percent(now.overconfidence.mean())} on new votes, "
        f"{percent(before.overconfidence.mean())} before",
        look,
    )
    fit = calibration(now.margins, now.p_chosen)
    numbers = {
        **rate.named(FRESH_ACCURACY),
        FRESH_PAIRS: float(len(new)),
        FRESH_ECE: fit.ece,
        FRESH_BRIER: fit.brier,
    }
    return DriftFindings((accuracy, confidence), numbers)
