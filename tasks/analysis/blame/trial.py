"""Who is tried, on what evidence, and what it costs: everything that is known before anything is trained."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from core.errors import BadFeedback
from evaluation.evals.votes import VOTERS
from feedback import store
from feedback.rows import PreferenceRow
from feedback.schema import FeedbackEvent
from feedback.subsets import BY, By, FeedbackSubset, leave_out, subsets
from tasks.analysis.blame.retraining import Retraining
from tasks.analysis.material import TrainingRecord, check_sft, material, part
from tasks.people import ballots
from tasks.state import records, reports
from tasks.state import round as rounds
from tasks.state.round import Round
from tasks.state.workspace import Workspace
from tasks.steps.reward import MIN_PAIRS

NEARLY = 0.95
"""Share of somebody's feedback that is as good as all of it."""


class LeaveOneOut(NamedTuple):
    """One training: what it learns from, and whose votes it is held against."""

    suspect: FeedbackSubset | None
    """None of the control, which learns from everything in another order."""
    rows: list[PreferenceRow]
    """Preferences without the suspect's votes."""
    fresh: list[PreferenceRow]
    """Fresh votes without the suspect's."""
    within: tuple[str, ...] = ()
    """Other suspects that gave (nearly) all of the same feedback, and perhaps more."""

    @property
    def repetition(self) -> int:
        """Which seed: 0 the round's own."""
        return int(self.suspect is None)


class AttributionPlan(NamedTuple):
    """All of it."""

    material: TrainingRecord
    rows: list[PreferenceRow]
    """The round's preferences, with everybody."""
    fresh: list[PreferenceRow]
    """The fresh votes of the round, as preferences."""
    votes: list[FeedbackEvent]
    """The same as they were cast."""
    cases: list[LeaveOneOut]
    """The control, then the suspects."""
    retraining: Retraining

    @property
    def waiting(self) -> list[Sequence[PreferenceRow]]:
        """What is still to be trained on, the whole feedback first; the same twice is trained once."""
        wanted = [(self.rows, 0), *((case.rows, case.repetition) for case in self.cases)]
        distinct = {self.retraining.path(*training): training for training in wanted}
        return [rows for path, (rows, _) in distinct.items() if not path.exists()]

    @property
    def seconds(self) -> float | None:
        """What that will take, by what the round's own training took; None where that was not noted here."""
        spent = _times(self.material.round).get("reward")
        own = len(part(self.rows, "train")) + len(part(self.rows, "judge"))  # the step trained the judge as well
        pairs = sum(len(part(rows, "train")) for rows in self.waiting)
        return spent.learning * pairs / own if spent else None


def trial(workspace: Workspace, asked: str, by: Collection[By] = BY, least: int = 20, top: int = 8) -> AttributionPlan:
    """Prepare: read the round's material and choose the suspects.

    Args:
        workspace: where the round's feedback is.
        asked: the round, by number, key or run.
        by: which kinds of suspects.
        least: pairs of the training data that a suspect has voted on at least.
        top: how many trainings without somebody, the largest first. Suspects that gave the same feedback share one.

    Raises:
        NotFound, BadWorkspace: see `tasks.material`.
        BadFeedback: nobody can be left out.
    """
    found = material(workspace, asked)
    check_sft(found)
    rows, votes = found.preferences(), _votes(found)
    fresh = found.preferences(votes)
    chosen = subsets(found.events, part(rows, "train"), by, least)
    cases = list(_first(top, (_case(found, suspect, rows, votes) for suspect in chosen)))
    if not cases:
        raise BadFeedback(
            f"round {found.round.number}: there is no {' or '.join(by)} with votes on {least} training pairs or more "
            f"whose votes could be left out and leave {MIN_PAIRS} to learn from; see --by and --least"
        )
    nested = [case._replace(within=_within(case, cases, rows)) for case in cases]
    questions = [*part(rows, "holdout"), *fresh]
    return AttributionPlan(
        found, rows, fresh, votes, [LeaveOneOut(None, rows, fresh), *nested], Retraining(found, questions)
    )


def _times(round: Round) -> dict[str, reports.Seconds]:
    """How long the steps of the round took in this workspace, in the folder of a replay when it was replayed."""
    if records.path(round.workspace, round.number).exists():
        return records.read(round.workspace, round.number).times
    here = round.workspace.round.exists() and rounds.read(round.workspace).number == round.number
    return reports.times(round) if here else {}


def _votes(found: TrainingRecord) -> list[FeedbackEvent]:
    """The fresh votes of people on the round's own pairs; those of a round that was opened anew are on others."""
    name, cast = _batch(found.round), store.events(found.round.workspace.votes, {found.round.number})
    return [vote for vote in cast if name and vote.batch_id == name and vote.annotator_type in VOTERS]


def _batch(round: Round) -> str | None:
    """The name of the round's pairs, by its record or, in the folder of a replay, by the pairs; None: nobody knows."""
    workspace = round.workspace
    name = records.read(workspace, round.number).batch if records.path(workspace, round.number).exists() else None
    return name or (ballots.batch(workspace) if workspace.pairs.exists() else None)


def _case(
    found: TrainingRecord, suspect: FeedbackSubset, rows: Sequence[PreferenceRow], votes: Sequence[FeedbackEvent]
) -> LeaveOneOut | None:
    """What is left without the suspect; None where that is too little to train on."""
    asked = {row.pair_id for row in rows}
    left = [row for row in found.preferences(leave_out(found.events, suspect)) if row.pair_id in asked]
    if min(len(part(left, "train")), len(part(left, "judge"))) < MIN_PAIRS:
        return None
    # a batch is feedback that a round took in, and fresh votes are none
    others = votes if suspect.by == "batch" else leave_out(votes, suspect)
    return LeaveOneOut(suspect, left, found.preferences(others))


def _first(top: int, cases: Iterable[LeaveOneOut | None]) -> Iterator[LeaveOneOut]:
    """The cases up to the one that would need training number `top` + 1."""
    trained: list[list[PreferenceRow]] = []
    for case in filter(None, cases):
        if case.rows not in trained:
            if len(trained) == top:
                return
            trained.append(case.rows)
        yield case


def _within(case: LeaveOneOut, cases: Sequence[LeaveOneOut], rows: Sequence[PreferenceRow]) -> tuple[str, ...]:
    """The others without whom (nearly) all that this one said is gone, too."""
    mine = _gone(case, rows)
    gone = [(other, _gone(other, rows)) for other in cases if other is not case]
    return tuple(str(other.suspect) for other, theirs in gone if len(mine & theirs) >= NEARLY * len(mine))


def _gone(case: LeaveOneOut, rows: Sequence[PreferenceRow]) -> set[str]:
    """The votes that are left out."""
    stay = {identity for row in case.rows for identity in row.feedback_ids}
    return {identity for row in rows for identity in row.feedback_ids} - stay
