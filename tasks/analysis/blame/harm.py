"""How much worse somebody's feedback made a reward model: the votes of everybody else are the measure.

A vote that was left out is no witness: somebody who answers the wrong way round does so in the holdout, too, and a
model that learned from them agrees with them there. So both models, with and without, are held against the same votes,
those of the others; where nobody else voted on a pair, it does not count.

The measure is the Brier score (Brier 1950) of the calibrated probability, the mean of (σ(margin) - share of votes)²:
proper, bounded, and finer than accuracy, which changes by whole pairs. Harm is by how much it falls without them.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from evaluation.drift import by_permutation
from evaluation.statistics.intervals import Interval, paired
from evaluation.statistics.outcomes import agreement
from feedback.rows import PreferenceRow
from models.calibration import brier

MIN_VOTES = 20
"""Pairs of others below which there is nothing to measure by."""

Array = npt.NDArray[np.float64]


class VoteComparison(NamedTuple):
    """Two reward models on the same votes, of one kind: held-out pairs, or fresh votes."""

    pairs: int
    """Pairs with votes of others."""
    accuracy: float | None
    """Share of their votes that the round's reward model agrees with; None where all are split evenly."""
    accuracy_without: float | None
    """The same of the one that was trained without the suspect."""
    harm: Interval
    """Brier score of the first less that of the second: above 0, the suspect did harm. By prompt group."""


class PredictedVotes(NamedTuple):
    """What a reward model made of pairs, beside the votes on them: a row a pair, chosen before rejected."""

    margins: Array
    votes: Array
    groups: list[str]

    @property
    def errors(self) -> Array:
        """(n,) squared errors of its probability."""
        return brier(self.margins, self.votes)

    @property
    def accuracy(self) -> float | None:
        """Share of the votes on decided pairs that it agrees with."""
        decided = self.votes != 0.5
        return float(agreement(self.margins[decided], self.votes[decided]).mean()) if decided.any() else None


def said(
    margins: Mapping[str, float], asked: Mapping[str, PreferenceRow], witnesses: Sequence[PreferenceRow]
) -> PredictedVotes:
    """The margins on the pairs of the witnesses.

    Args:
        margins: pair id → margin of the pair's chosen answer, as it was asked.
        asked: pair id → the pair as it was asked. Without some of the votes the other answer may be the chosen one.
        witnesses: pairs with the votes of others.
    """
    turned = [1.0 if row.chosen == asked[row.pair_id].chosen else -1.0 for row in witnesses]
    return PredictedVotes(
        np.array([sign * margins[row.pair_id] for sign, row in zip(turned, witnesses, strict=True)]),
        np.array([row.p_chosen for row in witnesses]),
        [row.group for row in witnesses],
    )


def evidence(before: PredictedVotes, after: PredictedVotes) -> VoteComparison | None:
    """Both models on the same pairs: `before` with the suspect, `after` without. None where there are too few."""
    if len(before.votes) < MIN_VOTES:
        return None
    harm = paired(before.errors, after.errors, before.groups)
    return VoteComparison(len(before.votes), before.accuracy, after.accuracy, harm)


def overall(kinds: Sequence[VoteComparison]) -> float | None:
    """The mean harm over all pairs, held out or fresh: each counts once, so that a few noisy ones do not drown many."""
    pairs = sum(kind.pairs for kind in kinds)
    return sum(kind.harm.estimate * kind.pairs for kind in kinds) / pairs if pairs else None


def chance(pairs: Sequence[tuple[PredictedVotes, PredictedVotes]], seed: int) -> float:
    """Two-sided p-value of the mean harm, by turning round which model is which, whole prompt groups at a time.

    It says whether these two models differ on these prompts by more than luck; how much two trainings differ that
    learned from the same feedback, the control says.
    """
    falls = [before.errors - after.errors for before, after in pairs]
    groups = [group for before, _ in pairs for group in before.groups]
    _, index = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.bincount(index, np.concatenate(falls))
    return by_permutation(sums, np.zeros_like(sums), seed, pairs=True)
