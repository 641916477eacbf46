"""The plan of a leave-one-out attribution: which subsets to leave out, which votes to use, and what it costs."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from core.errors import BadFeedback
from evaluation.evals.votes import is_voter
from feedback import store
from feedback.rows import PreferenceRow
from feedback.schema import FeedbackEvent
from feedback.subsets import BY, By, FeedbackSubset, leave_out, subsets
from tasks.analysis.blame.retraining import Retraining
from tasks.analysis.training_data import TrainingRecord, check_sft, material, of_split
from tasks.people import ballots
from tasks.state import records, reports
from tasks.state import round as rounds
from tasks.state.round import Round
from tasks.state.workspace import Workspace
from tasks.steps.reward import MIN_PAIRS

NEARLY = 0.95
"""Share of the votes of a subset from which on it counts as part of another subset."""


class LeaveOneOut(NamedTuple):
    """One training without one subset, and the votes of others to measure it on."""

    subset: FeedbackSubset | None
    """None for the control, which is trained on everything with another seed."""
    rows: list[PreferenceRow]
    """Preferences without the votes of the subset."""
    fresh: list[PreferenceRow]
    """Fresh votes without those of the subset."""
    within: tuple[str, ...] = ()
    """Other subsets that contain (nearly) all of this one."""

    @property
    def repetition(self) -> int:
        """0 for the round's own seed, 1 for another one (the control)."""
        return int(self.subset is None)


class AttributionPlan(NamedTuple):
    """All trainings of an attribution, before any of them runs."""

    material: TrainingRecord
    rows: list[PreferenceRow]
    """The preferences of the round, with all feedback."""
    fresh: list[PreferenceRow]
    """The fresh votes of the round, as preferences."""
    votes: list[FeedbackEvent]
    """The same as events, as they were cast."""
    cases: list[LeaveOneOut]
    """The control first, then one case per subset."""
    retraining: Retraining

    @property
    def waiting(self) -> list[Sequence[PreferenceRow]]:
        """The rows of each training that has not run yet, all feedback first; equal trainings are listed once."""
        trainings = [(self.rows, 0), *((case.rows, case.repetition) for case in self.cases)]
        distinct = {self.retraining.path(*training): training for training in trainings}
        return [rows for path, (rows, _) in distinct.items() if not path.exists()]

    @property
    def seconds(self) -> float | None:
        """Estimated duration, from the round's own training; None if its duration was not recorded here."""
        spent = _times(self.material.round).get("reward")
        own = len(of_split(self.rows, "train")) + len(of_split(self.rows, "judge"))  # the judge, too
        pairs = sum(len(of_split(rows, "train")) for rows in self.waiting)
        return spent.learning * pairs / own if spent else None


def plan(
    workspace: Workspace, round_name: str, by: Collection[By] = BY, min_pairs: int = 20, top: int = 8
) -> AttributionPlan:
    """Read the feedback of the round and choose the subsets to leave out.

    Args:
        workspace: the workspace with the feedback of the round.
        round_name: the round, by number, key or run.
        by: the kinds of subsets to leave out.
        min_pairs: minimum number of training pairs with a vote from a subset.
        top: maximum number of trainings, largest subsets first. Subsets with the same feedback share one training.

    Raises:
        NotFound, BadWorkspace: see `tasks.analysis.training_data`.
        BadFeedback: no subset can be left out.
    """
    record = material(workspace, round_name)
    check_sft(record)
    rows, votes = record.preferences(), _votes(record)
    fresh = record.preferences(votes)
    candidates = subsets(record.events, of_split(rows, "train"), by, min_pairs)
    cases = list(_first(top, (_case(record, subset, rows, votes) for subset in candidates)))
    if not cases:
        raise BadFeedback(
            f"round {record.round.number}: no {' or '.join(by)} has votes on {min_pairs} training pairs or more and "
            f"leaves {MIN_PAIRS} pairs to train on when left out; see --by and --least"
        )
    nested = [case._replace(within=_within(case, cases, rows)) for case in cases]
    questions = [*of_split(rows, "holdout"), *fresh]
    return AttributionPlan(
        record, rows, fresh, votes, [LeaveOneOut(None, rows, fresh), *nested], Retraining(record, questions)
    )


def _times(round: Round) -> dict[str, reports.Seconds]:
    """Durations of the steps of the round, from its record, or in the folder of a replay from the replay."""
    if records.path(round.workspace, round.number).exists():
        return records.read(round.workspace, round.number).times
    replayed = round.workspace.round.exists() and rounds.read(round.workspace).number == round.number
    return reports.times(round) if replayed else {}


def _votes(record: TrainingRecord) -> list[FeedbackEvent]:
    """The fresh votes of people on the pairs of the round. If it was reopened, earlier votes are on other pairs."""
    name, votes = _batch(record.round), store.events(record.round.workspace.votes, {record.round.number})
    return [vote for vote in votes if name and vote.batch_id == name and is_voter(vote)]


def _batch(round: Round) -> str | None:
    """The id of the round's pairs: from its record, in the folder of a replay from the pairs; None: unknown."""
    workspace = round.workspace
    name = records.read(workspace, round.number).batch if records.path(workspace, round.number).exists() else None
    return name or (ballots.pairs_id(workspace) if workspace.pairs.exists() else None)


def _case(
    record: TrainingRecord, subset: FeedbackSubset, rows: Sequence[PreferenceRow], votes: Sequence[FeedbackEvent]
) -> LeaveOneOut | None:
    """The case without the subset; None if too few pairs are left to train on."""
    known = {row.pair_id for row in rows}
    left = [row for row in record.preferences(leave_out(record.events, subset)) if row.pair_id in known]
    if min(len(of_split(left, "train")), len(of_split(left, "judge"))) < MIN_PAIRS:
        return None
    # a feedback batch is what a round ingested; it contains no fresh votes
    others = votes if subset.by == "batch" else leave_out(votes, subset)
    return LeaveOneOut(subset, left, record.preferences(others))


def _first(top: int, cases: Iterable[LeaveOneOut | None]) -> Iterator[LeaveOneOut]:
    """The cases that need at most `top` different trainings."""
    trained: list[list[PreferenceRow]] = []
    for case in filter(None, cases):
        if case.rows not in trained:
            if len(trained) == top:
                return
            trained.append(case.rows)
        yield case


def _within(case: LeaveOneOut, cases: Sequence[LeaveOneOut], rows: Sequence[PreferenceRow]) -> tuple[str, ...]:
    """The other subsets that contain (nearly) all votes of this one."""
    mine = _left_out(case, rows)
    others = [(other, _left_out(other, rows)) for other in cases if other is not case]
    return tuple(str(other.subset) for other, theirs in others if len(mine & theirs) >= NEARLY * len(mine))


def _left_out(case: LeaveOneOut, rows: Sequence[PreferenceRow]) -> set[str]:
    """The ids of the votes that are left out."""
    remaining = {identity for row in case.rows for identity in row.feedback_ids}
    return {identity for row in rows for identity in row.feedback_ids} - remaining
