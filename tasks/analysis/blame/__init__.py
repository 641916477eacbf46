"""Leave-one-out attribution: retrain a round's reward model without each subset of its feedback, compare on votes.

These are full trainings: no influence function, no approximation. PPO is not run again, so the reported win rate is
not that of another policy: it is the win rate that the reward model predicts for this round's answers.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

from core.log import Log
from evaluation.evals import CANDIDATE
from evaluation.statistics.intervals import holm
from feedback.rows import PreferenceRow
from feedback.subsets import FeedbackSubset
from tasks.analysis.blame.effect import PredictedVotes, VoteComparison, compare, mean_harm, p_value, predicted_votes
from tasks.analysis.blame.plan import AttributionPlan, LeaveOneOut
from tasks.analysis.blame.retraining import HeldOutPredictions
from tasks.analysis.training_data import of_split
from tasks.state.lock import holding

LogTraining = Callable[[str, int, int], Log]
"""(name, index from 0, number of trainings) → the log of that training; called before each training."""


SIGNIFICANCE_LEVEL = 0.05
"""For the harm of a subset, Holm-adjusted."""


class SubsetEffect(NamedTuple):
    """The effect of leaving one subset out."""

    subset: FeedbackSubset | None
    """None for the control."""
    within: tuple[str, ...]
    """Other subsets that contain (nearly) all of this one."""
    holdout: VoteComparison | None
    """On held-out pairs; None if there are too few votes of others."""
    votes: VoteComparison | None
    """On fresh votes; None if there are too few votes of others."""
    win_rate: float | None
    """Win rate of the candidate on the fresh votes as the model without the subset predicts it; None without votes."""
    harm: float | None
    """Decrease of the Brier score without the subset: the mean over held-out pairs and fresh votes."""
    p: float | None
    """p-value of the harm, Holm-adjusted for the number of subsets; None for the control."""

    @property
    def significant(self) -> bool:
        """True if the harm is above 0 and significant."""
        return self.p is not None and self.p < SIGNIFICANCE_LEVEL and (self.harm or 0.0) > 0

    def to_json(self) -> dict[str, Any]:
        """As plain values, under the keys of blame.json."""
        return {
            "suspect": self.subset._asdict() if self.subset else None,
            "within": self.within,
            "holdout": self.holdout.to_json() if self.holdout else None,
            "votes": self.votes.to_json() if self.votes else None,
            "win_rate": self.win_rate,
            "harm": self.harm,
            "p": self.p,
        }


class AttributionReport(NamedTuple):
    """The effects of all subsets that were left out: significant harm first, then by harm."""

    round: int
    pairs: int
    """Training pairs of the round's reward model."""
    win_rate: float | None
    """Win rate of the candidate on the fresh votes."""
    expected: float | None
    """The same as the round's reward model predicts it."""
    control: SubsetEffect
    results: tuple[SubsetEffect, ...]
    seconds: float
    """Duration of all trainings, including those of earlier runs."""

    def to_json(self) -> dict[str, Any]:
        """As plain values, under the keys of blame.json."""
        return {
            "round": self.round,
            "pairs": self.pairs,
            "win_rate": self.win_rate,
            "expected": self.expected,
            "control": self.control.to_json(),
            "charges": [result.to_json() for result in self.results],
            "seconds": self.seconds,
        }


def blame(plan: AttributionPlan, log_training: LogTraining) -> AttributionReport:
    """Run the trainings that are still missing, and rank the subsets by harm.

    Each finished training is kept in data/blame/; an interrupted run continues from there.

    Raises:
        RoundBusy: another `blame` runs in this workspace.
    """
    workspace = plan.material.round.workspace
    with holding(workspace.blame_lock, f"blame of round {plan.material.round.number}"):
        predictions = _predictions(plan, log_training)
    everything, control, *others = predictions
    results = [_result(plan, case, everything, left) for case, left in zip(plan.cases[1:], others, strict=True)]
    return AttributionReport(
        round=plan.material.round.number,
        pairs=len(of_split(plan.rows, "train")),
        win_rate=_win_rate(plan, None),
        expected=_win_rate(plan, everything),
        control=_result(plan, plan.cases[0], everything, control)._replace(p=None),
        results=_ranked(results),
        seconds=sum({id(prediction): prediction.seconds for prediction in predictions}.values()),
    )


def _predictions(plan: AttributionPlan, log_training: LogTraining) -> list[HeldOutPredictions]:
    """The predictions of the model trained on everything, then those of each case."""
    trainings = [
        ("all feedback", plan.rows, 0),
        *((_name(case), case.rows, case.repetition) for case in plan.cases),
    ]
    return [
        plan.retraining(rows, repetition, log_training(name, index, len(trainings)))
        for index, (name, rows, repetition) in enumerate(trainings)
    ]


def _name(case: LeaveOneOut) -> str:
    return f"without {case.subset}" if case.subset else "all feedback, another seed"


def _result(
    plan: AttributionPlan, case: LeaveOneOut, everything: HeldOutPredictions, left: HeldOutPredictions
) -> SubsetEffect:
    questions = {row.pair_id: row for row in (*of_split(plan.rows, "holdout"), *plan.fresh)}

    def both(votes: Sequence[PreferenceRow]) -> tuple[PredictedVotes, PredictedVotes]:
        return (
            predicted_votes(everything.margins, questions, votes),
            predicted_votes(left.margins, questions, votes),
        )

    sides = [both(of_split(case.rows, "holdout")), both(case.fresh)]
    comparisons = [compare(before, after) for before, after in sides]
    measured = [side for side, comparison in zip(sides, comparisons, strict=True) if comparison]
    seed = plan.material.round.seed_for("blame")
    return SubsetEffect(
        subset=case.subset,
        within=case.within,
        holdout=comparisons[0],
        votes=comparisons[1],
        win_rate=_win_rate(plan, left),
        harm=mean_harm([comparison for comparison in comparisons if comparison]),
        p=p_value(measured, seed) if measured else None,
    )


def _ranked(results: Sequence[SubsetEffect]) -> tuple[SubsetEffect, ...]:
    """Significant harm first, then by harm, largest first; subsets whose harm could not be measured last.

    p-values are Holm-adjusted for all measured subsets. A large harm that is not significant does not hide a smaller
    one that is.
    """
    measured = [result for result in results if result.harm is not None]
    adjusted = holm([result.p for result in measured if result.p is not None])
    tested = [result._replace(p=p) for result, p in zip(measured, adjusted, strict=True)]
    others = [result for result in results if result.harm is None]
    return (*sorted(tested, key=lambda result: (not result.significant, -(result.harm or 0.0))), *others)


def _win_rate(plan: AttributionPlan, predictions: HeldOutPredictions | None) -> float | None:
    """The win rate of the candidate on the fresh votes: as cast, or as a reward model predicts them."""
    candidates = {
        vote.feedback_id: response.text
        for vote in plan.votes
        for response in vote.responses
        if response.model_version == CANDIDATE
    }
    shares = [float(expit(predictions.margins[row.pair_id])) if predictions else row.p_chosen for row in plan.fresh]
    wins = [
        share if row.chosen == candidates[row.feedback_ids[0]] else 1 - share
        for row, share in zip(plan.fresh, shares, strict=True)
    ]
    return float(np.mean(wins)) if wins else None
