"""Whether the champion's reward model still knows what people prefer: new votes, which it has not learned from."""

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
    "Share of new votes that it agrees with. Needs a champion that was trained against a reward model, like "
    "the next four.",
    ends=INTERVAL,
    rare=True,
)
FRESH_PAIRS = Metric(
    "fresh_pairs",
    "drift",
    "pairs",
    "up",
    "Decided pairs this rests on.",
    rare=True,
)
FRESH_ECE = Metric(
    "fresh_ece",
    "drift",
    "share",
    "down",
    "Expected calibration error on them, as in `evaluate/reward_ece`.",
    rare=True,
)
FRESH_BRIER = Metric(
    "fresh_brier",
    "drift",
    "none",
    "down",
    "Mean squared error of its probability on them.",
    rare=True,
)
FRESH_ACCURACY_DROP = Metric(
    "fresh_accuracy_drop",
    "drift",
    "share",
    "near 0",
    "By how much it agrees less than it did; where the annotator's noise is known, less what noisier votes "
    "explain. Worry: taste has changed, or annotators.",
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
    "By how much it became surer than right.",
    ends=(
        "_p",
        "_alarm",
    ),
    rare=True,
)

FEWEST = 10
"""Decided pairs on either side below which nothing is compared."""


class ScoredPairs(NamedTuple):
    """Pairs that people judged and a reward model scored; one of a prompt group, so that rows are independent."""

    margins: Array
    """(n,) calibrated reward of chosen over rejected: σ(margin) is the probability that chosen wins"""
    p_chosen: Array
    """(n,) share of the votes that chosen got"""
    ceiling: float | None = None
    """The best accuracy any model can have on these votes, where the annotator's noise is known."""

    @property
    def right(self) -> Array:
        """(decided,) share of votes that the margin's sign agrees with."""
        keep = self.p_chosen != 0.5
        found: Array = agreement(self.margins[keep], self.p_chosen[keep])
        return found

    @property
    def surplus(self) -> Array:
        """(decided,) how sure the model was of its favourite, less the share of votes that got."""
        keep = self.p_chosen != 0.5
        sure: npt.NDArray[np.float64] = expit(np.abs(self.margins[keep]))
        return sure - self.right


def drift(before: ScoredPairs, now: ScoredPairs, limits: LimitSettings, seed: int) -> DriftFindings:
    """Compare the model on new votes with itself on votes held out when it was trained.

    Where both ceilings are known, noisier votes explain a part of a loss of accuracy: their difference is taken off.
    """
    old, new = before.right, now.right
    if min(len(old), len(new)) < FEWEST:
        return DriftFindings()
    noisier = before.ceiling - now.ceiling if before.ceiling is not None and now.ceiling is not None else 0.0
    rate = bootstrap(new, [str(row) for row in range(len(new))])
    look = "held-out pairs that it gets wrong; a round with the new votes retrains it"
    accuracy = DriftCheck(
        FRESH_ACCURACY_DROP,
        float(old.mean() - new.mean()) - noisier,
        limits.fresh_accuracy_drop,
        by_permutation(old - noisier, new, seed, "greater"),
        f"the champion's reward model agrees with {percent(new.mean())} of new votes, {percent(old.mean())} before",
        look,
    )
    calibrated = DriftCheck(
        FRESH_OVERCONFIDENCE,
        float(now.surplus.mean() - before.surplus.mean()),
        limits.fresh_overconfidence,
        by_permutation(now.surplus, before.surplus, seed, "greater"),
        f"the champion's reward model is surer of new votes than right by {percent(now.surplus.mean())}, "
        f"{percent(before.surplus.mean())} before",
        look,
    )
    fit = calibration(now.margins, now.p_chosen)
    numbers = {
        **rate.named(FRESH_ACCURACY),
        FRESH_PAIRS: float(len(new)),
        FRESH_ECE: fit.ece,
        FRESH_BRIER: fit.brier,
    }
    return DriftFindings((accuracy, calibrated), numbers)
