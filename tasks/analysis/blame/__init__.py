"""blame: which feedback did it? The round's reward model is trained anew without each suspect, and held to the votes.

Leave-one-out retraining, with real trainings: no influence function, no approximation. What is not run again is PPO,
so that the win rate is not that of another policy: it is what the reward model would have said of this one's answers.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

from core.log import Log
from evaluation.evals import CANDIDATE
from evaluation.statistics.intervals import Interval, holm
from feedback.rows import PreferenceRow
from feedback.subsets import FeedbackSubset
from tasks.analysis.blame.harm import PredictedVotes, VoteComparison, chance, evidence, overall, said
from tasks.analysis.blame.retraining import HeldOutPredictions
from tasks.analysis.blame.trial import AttributionPlan, LeaveOneOut
from tasks.analysis.material import part
from tasks.state.lock import holding

Watch = Callable[[str, int, int], Log]
"""Told the name, place and number of the trainings before each of them; hears of what it does."""


SURE = 0.05
"""Adjusted p-value below which a harm is no chance."""


class Attributed(NamedTuple):
    """What leaving one suspect out changed."""

    suspect: FeedbackSubset | None
    """None of the control."""
    within: tuple[str, ...]
    holdout: VoteComparison | None
    """None where too few of others' votes are left."""
    votes: VoteComparison | None
    win_rate: float | None
    """Share of the fresh votes that the model without them expected to be for the candidate; None without votes."""
    harm: float | None
    """Mean over the pairs of both kinds of evidence, in Brier score."""
    p: float | None
    """Of the harm, adjusted by Holm for the number of suspects; None of the control."""

    @property
    def sure(self) -> bool:
        """They did harm, and not by chance."""
        return self.p is not None and self.p < SURE and (self.harm or 0.0) > 0


class AttributionReport(NamedTuple):
    """Everybody who was tried: whose harm is no chance first, then the most harmful."""

    round: int
    pairs: int
    """That the round's reward model learned from."""
    win_rate: float | None
    """Share of the fresh votes that were for the candidate."""
    expected: float | None
    """What the round's reward model had expected of it."""
    control: Attributed
    charges: tuple[Attributed, ...]
    seconds: float
    """What all trainings took, whenever they ran."""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        charges = [_plain(charge) for charge in self.charges]
        return {**self._asdict(), "control": _plain(self.control), "charges": charges}


def blame(trial: AttributionPlan, watch: Watch) -> AttributionReport:
    """Train what was not trained yet, and rank the suspects by the harm that they did.

    Each training that ended is kept in data/blame/: cut short and started again, it goes on from there.

    Raises:
        RoundBusy: another one works in the same workspace.
    """
    workspace = trial.material.round.workspace
    with holding(workspace.blame_lock, f"blame of round {trial.material.round.number}"):
        heard = _heard(trial, watch)
    everybody, control, *others = heard
    charges = [_charge(trial, case, everybody, words) for case, words in zip(trial.cases[1:], others, strict=True)]
    return AttributionReport(
        round=trial.material.round.number,
        pairs=len(part(trial.rows, "train")),
        win_rate=_share(trial, None),
        expected=_share(trial, everybody),
        control=_charge(trial, trial.cases[0], everybody, control)._replace(p=None),
        charges=_ranked(charges),
        seconds=sum({id(words): words.seconds for words in heard}.values()),
    )


def _heard(trial: AttributionPlan, watch: Watch) -> list[HeldOutPredictions]:
    """What the model with everybody says, then each case's."""
    wanted = [("everybody", trial.rows, 0), *((_name(case), case.rows, case.repetition) for case in trial.cases)]
    return [
        trial.retraining(rows, repetition, watch(name, place, len(wanted)))
        for place, (name, rows, repetition) in enumerate(wanted)
    ]


def _name(case: LeaveOneOut) -> str:
    return f"without {case.suspect}" if case.suspect else "everybody, another seed"


def _charge(
    trial: AttributionPlan, case: LeaveOneOut, everybody: HeldOutPredictions, others: HeldOutPredictions
) -> Attributed:
    asked = {row.pair_id: row for row in (*part(trial.rows, "holdout"), *trial.fresh)}

    def both(witnesses: Sequence[PreferenceRow]) -> tuple[PredictedVotes, PredictedVotes]:
        return said(everybody.margins, asked, witnesses), said(others.margins, asked, witnesses)

    sides = [both(part(case.rows, "holdout")), both(case.fresh)]
    kinds = [evidence(before, after) for before, after in sides]
    measured = [side for side, kind in zip(sides, kinds, strict=True) if kind]
    seed = trial.material.round.seed_for("blame")
    return Attributed(
        suspect=case.suspect,
        within=case.within,
        holdout=kinds[0],
        votes=kinds[1],
        win_rate=_share(trial, others),
        harm=overall([kind for kind in kinds if kind]),
        p=chance(measured, seed) if measured else None,
    )


def _ranked(charges: Sequence[Attributed]) -> tuple[Attributed, ...]:
    """Those whose harm is no chance first, the most harmful first, those without evidence last.

    P-values are adjusted for all of them. A large harm that may be chance does not hide a smaller one that is none.
    """
    tried = [charge for charge in charges if charge.harm is not None]
    adjusted = holm([charge.p for charge in tried if charge.p is not None])
    decided = [charge._replace(p=p) for charge, p in zip(tried, adjusted, strict=True)]
    others = [charge for charge in charges if charge.harm is None]
    return (*sorted(decided, key=lambda charge: (not charge.sure, -(charge.harm or 0.0))), *others)


def _share(trial: AttributionPlan, words: HeldOutPredictions | None) -> float | None:
    """The candidate's share of the fresh votes, as they were cast, or as a reward model expected them."""
    ours = {
        vote.feedback_id: response.text
        for vote in trial.votes
        for response in vote.responses
        if response.model_version == CANDIDATE
    }
    shares = [float(expit(words.margins[row.pair_id])) if words else row.p_chosen for row in trial.fresh]
    turned = [
        share if row.chosen == ours[row.feedback_ids[0]] else 1 - share
        for row, share in zip(trial.fresh, shares, strict=True)
    ]
    return float(np.mean(turned)) if turned else None


def _plain(value: Any) -> Any:
    """A named tuple as a mapping, all the way down."""
    if isinstance(value, Attributed | VoteComparison | Interval | FeedbackSubset):
        return {name: _plain(part) for name, part in value._asdict().items()}
    return value
