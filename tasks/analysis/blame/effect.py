"""The harm of a subset of feedback: how much worse it made the reward model, measured on the votes of all others.

The votes of the subset itself cannot be used: an annotator who votes the wrong way round does so in the holdout too,
and a model that learned from them agrees with them there. So both models, with and without the subset, are compared on
the same votes, those of all others. A pair without votes of others is left out.

The measure is the Brier score (Brier 1950) of the calibrated probability, the mean of (σ(margin) - share of votes)²:
proper, bounded, and finer than accuracy, which changes by whole pairs. Harm is its decrease without the subset.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from evaluation.drift import by_permutation
from evaluation.statistics.intervals import Interval, paired
from evaluation.statistics.outcomes import agreement
from feedback.rows import PreferenceRow
from models.calibration import brier

MIN_VOTES = 20
"""Minimum number of pairs with votes of others; below it, no harm is reported."""

Array = npt.NDArray[np.float64]


class VoteComparison(NamedTuple):
    """Two reward models on the same votes, of one kind: held-out pairs, or fresh votes."""

    pairs: int
    """Pairs with votes of others."""
    accuracy: float | None
    """Share of their votes that the round's reward model agrees with; None if all pairs are ties."""
    accuracy_without: float | None
    """The same for the model that was trained without the subset."""
    harm: Interval
    """Brier score of the first model minus that of the second: above 0, the subset did harm. By prompt group."""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {**self._asdict(), "harm": self.harm._asdict()}


class PredictedVotes(NamedTuple):
    """The predictions of a reward model and the votes, one row per pair; margins are of chosen over rejected."""

    margins: Array
    votes: Array
    groups: list[str]

    @property
    def errors(self) -> Array:
        """(n,) squared errors of the predicted probability."""
        return brier(self.margins, self.votes)

    @property
    def accuracy(self) -> float | None:
        """Share of the votes on non-tied pairs that the model agrees with."""
        decided = self.votes != 0.5
        return float(agreement(self.margins[decided], self.votes[decided]).mean()) if decided.any() else None


def predicted_votes(
    margins: Mapping[str, float], questions: Mapping[str, PreferenceRow], votes: Sequence[PreferenceRow]
) -> PredictedVotes:
    """The margins on the pairs that others voted on, with their votes.

    Args:
        margins: pair id → margin of the chosen answer of `questions`.
        questions: pair id → the pair that the model scored. Without some of the votes, the other answer may be chosen.
        votes: pairs with the votes of others.
    """
    signs = [1.0 if row.chosen == questions[row.pair_id].chosen else -1.0 for row in votes]
    return PredictedVotes(
        np.array([sign * margins[row.pair_id] for sign, row in zip(signs, votes, strict=True)]),
        np.array([row.p_chosen for row in votes]),
        [row.group for row in votes],
    )


def compare(before: PredictedVotes, after: PredictedVotes) -> VoteComparison | None:
    """Compare the model with the subset (`before`) and without it (`after`); None with fewer than `MIN_VOTES` pairs."""
    if len(before.votes) < MIN_VOTES:
        return None
    harm = paired(before.errors, after.errors, before.groups)
    return VoteComparison(len(before.votes), before.accuracy, after.accuracy, harm)


def mean_harm(comparisons: Sequence[VoteComparison]) -> float | None:
    """The mean harm over all pairs, held-out or fresh. Each pair counts once, so a few noisy ones weigh little."""
    pairs = sum(comparison.pairs for comparison in comparisons)
    return sum(comparison.harm.estimate * comparison.pairs for comparison in comparisons) / pairs if pairs else None


def p_value(sides: Sequence[tuple[PredictedVotes, PredictedVotes]], seed: int) -> float:
    """Two-sided p-value of the mean harm: a permutation test that swaps the two models by whole prompt groups.

    It tests whether these two models differ on these prompts. It does not include the noise between two trainings on
    the same feedback; the control shows that.
    """
    decreases = [before.errors - after.errors for before, after in sides]
    groups = [group for before, _ in sides for group in before.groups]
    _, index = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.bincount(index, np.concatenate(decreases))
    return by_permutation(sums, np.zeros_like(sums), seed, pairs=True)
