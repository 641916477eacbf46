"""Labelling: an annotator takes a task, judges it, takes the judgement back, and sees how far they are.

Tasks come from the pairs of a round that waits for votes, and then from the labelling queues. A judgement of a pair is
a vote, stored as `rounds votes push` stores it; any other one is an event for the next round.
"""

from typing import TYPE_CHECKING, NamedTuple

from core.errors import RoundsError
from feedback.labels import LabelJudgement, LabelTask
from tasks.people.label_settings import LabelSettings
from tasks.state.workspace import Workspace

if TYPE_CHECKING:
    from feedback.store.database import Database


class NotYours(RoundsError):
    """A task that the annotator does not have: it is another person's, was handed back, or does not exist."""


class AlreadyJudged(RoundsError):
    """A task that the annotator judged otherwise before."""


class NothingToUndo(RoundsError):
    """The annotator has judged nothing, or a round has already counted the vote."""


class JudgementReceipt(NamedTuple):
    """What became of a judgement; it is durable."""

    feedback_id: str | None
    """The id of its event; None if nothing was said of an answer (a demonstration was skipped), and for a vote."""
    repeated: bool
    """True if it had been stored before: the request was sent again."""
    continued: bool
    """True if it was the last vote that a round waited for, so that the round can continue."""


class AnnotatorProgress(NamedTuple):
    """How far one annotator is."""

    today: int
    """Judgements since midnight (UTC)."""
    done: int
    """Judgements in all, in all queues that still exist."""
    left: int
    """Judgements that queues and the waiting round still want, of anybody."""
    left_for_you: int
    """Items that this annotator can still be given."""


def take(workspace: Workspace, database: "Database", settings: LabelSettings, annotator: str) -> LabelTask | None:
    """The task that the annotator has, or else the next one, which is then kept for `settings.hold` seconds.

    Taken again before it is judged, as after a reload, it is the same. The pairs of a waiting round come first, then
    the queues in the order in which they were made. None if there is nothing for this annotator.

    Raises:
        BadFeedback: the name does not stand for one person, or the person is forgotten.
        NoDatabase: the feedback database does not answer.
    """
    raise NotImplementedError


def judge(
    workspace: Workspace,
    database: "Database",
    settings: LabelSettings,
    annotator: str,
    task: str,
    judgement: LabelJudgement,
) -> JudgementReceipt:
    """Store a judgement; it is durable when this returns. Sent again, it changes nothing.

    A task whose time is over can be judged, also if others have judged the item since.

    Args:
        workspace: where it is stored.
        database: its feedback database.
        settings: section `label` of `serving.yaml`.
        annotator: who judges.
        task: `LabelTask.id`.
        judgement: what the annotator says.

    Raises:
        BadFeedback: the judgement does not fit the kind of the task, or the person is forgotten.
        NotYours: the annotator does not have the task.
        AlreadyJudged: the annotator judged it otherwise before; `undo` first.
        NoPoll: it is a pair of a round that no longer waits for votes.
        NoDatabase: the feedback database does not answer; nothing was stored.
    """
    raise NotImplementedError


def undo(workspace: Workspace, database: "Database", settings: LabelSettings, annotator: str) -> LabelTask:
    """Take back the annotator's last judgement, and return its task, which is open again. Repeated, it goes further.

    The event stays, and another one supersedes it, whether or not a round has ingested it.

    Raises:
        NothingToUndo: there is none, or a round has counted it.
        BadFeedback: see `take`.
        NoDatabase: the feedback database does not answer.
    """
    raise NotImplementedError


def progress(workspace: Workspace, database: "Database", annotator: str) -> AnnotatorProgress:
    """How far an annotator is, and how much is left.

    Raises:
        NoDatabase: the feedback database does not answer.
    """
    raise NotImplementedError
