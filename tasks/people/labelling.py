"""Labelling: an annotator takes a task, judges it, takes the judgement back, and sees how far they are.

Tasks come from the pairs of a round that waits for votes, and then from the labelling queues. A judgement of a pair is
a vote, stored as `rounds votes push` stores it; any other one is an event for the next round.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import TypeAdapter

from core.errors import RoundsError
from feedback import label_events, label_roles
from feedback.label_events import EDIT, Subject
from feedback.labels import LabelJudgement, LabelTask
from feedback.schema import FeedbackEvent, Message
from feedback.store import identity as event_identity
from tasks.people import polls, waiting
from tasks.people.ballots import pairs_id
from tasks.people.label_settings import LabelSettings, TermsSettings
from tasks.people.waiting import VotesNeeded, Wait
from tasks.state import identity
from tasks.state.workspace import Workspace
from tasks.tools import receiving

if TYPE_CHECKING:
    from feedback.store.database import Database
    from feedback.store.label_tasks import Assignment
    from feedback.store.queue import State

_DEFAULT_TERMS = TermsSettings()

_PROMPT = TypeAdapter(tuple[Message, ...])


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
    """Tasks that this annotator can still be given; each one that is judged lowers it by one."""
    can_undo: bool
    """Whether there is a last judgement; a skip is one too."""


def take(workspace: Workspace, database: "Database", settings: LabelSettings, annotator: str) -> LabelTask | None:
    """The task that the annotator has, or else the next one, which is then kept for `settings.hold` seconds.

    Taken again before it is judged, as after a reload, it is the same. The pairs of a waiting round come first, then
    the queues in the order in which they were made. None if there is nothing for this annotator.

    Raises:
        BadFeedback: the name does not stand for one person, or the person is forgotten.
        NoDatabase: the feedback database does not answer.
    """
    from feedback.store import label_tasks  # only here: SQLAlchemy takes a second to load

    polls.check_person(workspace, annotator)
    now, poll = datetime.now(UTC), _poll(workspace)
    until, votes = now + timedelta(seconds=settings.hold), pairs_id(workspace) if poll else None
    task = label_tasks.resume(database, annotator, now, until, votes)
    if task is None and poll and _wants_votes(workspace, poll):
        task = _pair(workspace, database, annotator, settings)
    if task is None:
        task = label_tasks.take(database, annotator, now, until, _roles(workspace, settings, annotator))
    return task and _shown(workspace, settings, task)


def judge(
    workspace: Workspace,
    database: "Database",
    settings: LabelSettings,
    annotator: str,
    task: str,
    judgement: LabelJudgement,
    terms: TermsSettings = _DEFAULT_TERMS,
) -> JudgementReceipt:
    """Store a judgement; it is durable when this returns. Sent again, it changes nothing.

    A task whose time is over can be judged, also if others have judged the item since. Of two judgements of a task at
    the same time, one is stored, and the other one is refused unless it says the same.

    Args:
        workspace: where it is stored.
        database: its feedback database.
        settings: section `label` of `serving.yaml`.
        annotator: who judges.
        task: `LabelTask.id`.
        judgement: what the annotator says.
        terms: section `terms` of `serving.yaml`.

    Raises:
        BadFeedback: the judgement does not fit the kind of the task, or the person is forgotten.
        NotYours: the annotator does not have the task.
        AlreadyJudged: the annotator judged it otherwise before; `undo` first.
        NoPoll: it is a pair of a round that no longer waits for votes.
        NoDatabase: the feedback database does not answer; nothing was stored.
    """
    from feedback.store.label_tasks import TaskMoved

    polls.check_person(workspace, annotator)
    while True:
        own = _own(database, annotator, task)
        subject = _subject(workspace, settings, own, terms)
        if _is_pair(own):
            return _vote(workspace, subject, own, judgement)
        try:
            return _label(workspace, database, subject, own, judgement)
        except TaskMoved:  # another request changed it after it was read: it is read again
            continue


def undo(
    workspace: Workspace,
    database: "Database",
    settings: LabelSettings,
    annotator: str,
    terms: TermsSettings = _DEFAULT_TERMS,
) -> LabelTask:
    """Take back the annotator's last judgement, and return its task, which is open again. Repeated, it goes further.

    The event stays, and another one supersedes it, whether or not a round has ingested it.

    Raises:
        NothingToUndo: there is none, or a round has counted it.
        BadFeedback: see `take`.
        NoDatabase: the feedback database does not answer.
    """
    from feedback.store import label_tasks

    polls.check_person(workspace, annotator)
    last = label_tasks.last(database, annotator)
    if last is None:
        raise NothingToUndo(f"{annotator} has judged nothing that could be taken back; judge a task first")
    until = datetime.now(UTC) + timedelta(seconds=settings.hold)
    try:
        if _is_pair(last):
            database.write(label_tasks.reopening(last, _withdraw_vote(workspace, last), until))
        else:
            _reopen(workspace, database, _subject(workspace, settings, last, terms), last, until)
    except label_tasks.TaskMoved as error:
        raise NothingToUndo(
            "another request changed the task of the last judgement at the same time; see the task that you have now"
        ) from error
    return _shown(workspace, settings, last._replace(until=until))


def progress(workspace: Workspace, database: "Database", settings: LabelSettings, annotator: str) -> AnnotatorProgress:
    """How far an annotator is, and how much is left.

    Raises:
        NoDatabase: the feedback database does not answer.
    """
    from feedback.store import label_queues, label_tasks, queue

    now, poll = datetime.now(UTC), _poll(workspace)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    counts = label_tasks.counts(database, annotator, midnight, now, _roles(workspace, settings, annotator))
    left = sum(state.wanted - state.finished for state in label_queues.states(database, now))
    votes = own_votes = 0
    if poll and _wants_votes(workspace, poll):
        votes = _wanted(poll) - polls.count(workspace)
        judged = queue.judged(database, pairs_id(workspace), annotator)
        own_votes = sum(pair.pair_id not in judged for pair in polls.handed_out(workspace))
    return AnnotatorProgress(counts.since, counts.judged, left + votes, counts.offered + own_votes, counts.can_undo)


def _roles(workspace: Workspace, settings: LabelSettings, annotator: str) -> Callable[[str, int], label_roles.Role]:
    """Queue, and how many tasks of it the annotator had → what the next one is to be."""
    salt = identity.made(workspace).salt

    def role(queue: str, number: int) -> label_roles.Role:
        return label_roles.role(f"{salt}\0{queue}\0{annotator}", number, settings.gold, settings.repeats)

    return role


def _poll(workspace: Workspace) -> Wait | None:
    """The wait of the open round for votes, before its deadline."""
    wait = waiting.now(workspace)
    return wait if wait and wait.what == "votes" and not wait.past else None


def _wanted(poll: Wait) -> int:
    return poll.about.votes if isinstance(poll.about, VotesNeeded) else 0


def _wants_votes(workspace: Workspace, poll: Wait) -> bool:
    return polls.count(workspace) < _wanted(poll)


def _pair(workspace: Workspace, database: "Database", annotator: str, settings: LabelSettings) -> "Assignment | None":
    """The next pair of the waiting round."""
    from feedback.store import label_tasks

    pulled = polls.pull(workspace, annotator, 1, timedelta(seconds=settings.hold))
    return label_tasks.of(database, pairs_id(workspace), pulled[0]["source_id"], annotator) if pulled else None


def _own(database: "Database", annotator: str, task: str) -> "Assignment":
    """The annotator's assignment of this name: open, or judged."""
    from feedback.store import label_tasks

    found = label_tasks.named(database, task)
    if found is None:
        raise NotYours(f"there is no task {task[:40]!r}, or its queue was removed; take the next task")
    if found.annotator != annotator:
        raise NotYours(f"the task {task} is another person's; take one of your own")
    if found.state == "returned" and found.finished_at is None:
        raise NotYours(
            f"the time of the task {task} is over, and others have judged its item in the meantime; take the next task"
        )
    return found


def _is_pair(task: "Assignment") -> bool:
    """Whether a task is a pair of a round."""
    from feedback.store import label_queues

    return label_queues.parsed(task.queue) is None


def _shown(workspace: Workspace, settings: LabelSettings, task: "Assignment") -> LabelTask:
    """A task as its annotator is shown it."""
    record, order = task.record, _order(workspace, task)
    texts = [response["messages"][-1]["content"] for response in record["responses"]]
    kind = record["kind"]
    return LabelTask(
        id=task.task,
        kind=kind,
        prompt=_PROMPT.validate_python(record["prompt"]),
        answers=tuple(texts[place] for place in order),
        criteria=settings.criteria if kind in label_events.WITH_CRITERIA else (),
        scale=(1, settings.rating) if kind == "rating" else None,
        editable=kind == "comparison" and not _is_pair(task),
        until=task.until,
    )


def _order(workspace: Workspace, task: "Assignment") -> tuple[int, ...]:
    """Positions of the answers from left to right: random, and the same for the same task."""
    places = tuple(range(len(task.record["responses"])))
    key = f"{identity.made(workspace).salt}\0{task.queue}\0{task.item}\0{task.annotator}"
    return places if label_roles.hashed(key) % 2 else places[::-1]


def _subject(workspace: Workspace, settings: LabelSettings, task: "Assignment", terms: TermsSettings) -> Subject:
    from feedback.store import label_queues

    _, role = label_queues.parsed(task.queue) or ("", "ordinary")
    return Subject(
        record=task.record,
        queue=task.queue,
        item=task.item,
        role=role,
        annotator=task.annotator,
        shown_order=_order(workspace, task),
        criteria=settings.criteria,
        scale=(1, settings.rating),
        stored=task.stored,
        licence=terms.licence,
        consent=terms.consent,
    )


def _label(
    workspace: Workspace, database: "Database", subject: Subject, task: "Assignment", judgement: LabelJudgement
) -> JudgementReceipt:
    """Store a judgement of an item of a labelling queue.

    Raises:
        TaskMoved: the task is no longer as it was read; nothing was stored.
    """
    from feedback.store.arrivals import StoredOtherwise

    if task.state != "held":
        return _repeated(workspace, database, subject._replace(stored=max(task.stored - 1, 0)), task, judgement)
    events = label_events.events(subject, judgement)
    try:
        repeated = _close(workspace, database, task, judgement, events, task.stored + bool(events))
    except StoredOtherwise:
        # a round ingested judgements, and a backup replaced the database that knew of them: this one supersedes them
        restored = task._replace(stored=_free(workspace, database, subject))
        withdrawn, stored = _withdrawals(workspace, database, subject, restored)
        events = label_events.events(subject._replace(stored=stored), judgement)
        repeated = _close(workspace, database, task, judgement, [*withdrawn, *events], stored + bool(events))
    return JudgementReceipt(_id(events), repeated, continued=False)


def _close(
    workspace: Workspace,
    database: "Database",
    task: "Assignment",
    judgement: LabelJudgement,
    events: Sequence[FeedbackEvent],
    stored: int,
) -> bool:
    """Store the events of a judgement and close its task, in one transaction; whether they were stored before."""
    from feedback.store import label_tasks

    state: State = "returned" if judgement.outcome == "skip" else "finished"
    closing = label_tasks.closing(task, state, stored, datetime.now(UTC))
    if events:
        return not receiving.store(workspace, database, events, closing).new
    database.write(closing)
    return False


def _repeated(
    workspace: Workspace, database: "Database", subject: Subject, task: "Assignment", judgement: LabelJudgement
) -> JudgementReceipt:
    """The receipt of a judgement that was sent again."""
    events = label_events.events(subject, judgement)
    same = _contents(events) == _contents(_stored(workspace, database, subject)) if events else task.state == "returned"
    if not same:
        raise _judged_otherwise(task)
    return JudgementReceipt(_id(events), repeated=True, continued=False)


def _judged_otherwise(task: "Assignment") -> AlreadyJudged:
    return AlreadyJudged(f"you judged the task {task.task} before, and otherwise; take that judgement back first")


def _id(events: Sequence[FeedbackEvent]) -> str | None:
    return events[0].feedback_id if events else None


def _reopen(workspace: Workspace, database: "Database", subject: Subject, task: "Assignment", until: datetime) -> None:
    """Withdraw the last judgement of an item and open its task again, in one transaction.

    Raises:
        TaskMoved: the task is no longer as it was read; nothing was stored.
    """
    from feedback.store import label_tasks

    withdrawn, stored = _withdrawals(workspace, database, subject, task)
    reopening = label_tasks.reopening(task, stored, until)
    if withdrawn:
        receiving.store(workspace, database, withdrawn, reopening)
    else:
        database.write(reopening)


def _withdrawals(
    workspace: Workspace, database: "Database", subject: Subject, task: "Assignment"
) -> tuple[list[FeedbackEvent], int]:
    """What withdraws the last judgement of an item, and the number of events on it with these."""
    last = _stored(workspace, database, subject._replace(stored=max(task.stored - 1, 0)))
    if not last or label_events.is_abstention(last[0]):
        return [], task.stored
    return label_events.withdrawals(subject._replace(stored=task.stored), last), task.stored + 1


def _free(workspace: Workspace, database: "Database", subject: Subject) -> int:
    """The number of the first event on an item that is not stored."""
    while _stored(workspace, database, subject):
        subject = subject._replace(stored=subject.stored + 1)
    return subject.stored


def _stored(workspace: Workspace, database: "Database", subject: Subject) -> list[FeedbackEvent]:
    """The events of one judgement of an item: its own, and that of an edit beside it."""
    from feedback.store import arrivals

    names = [subject.event_id(subject.stored, ending) for ending in ("", EDIT)]
    found = arrivals.find(database, names, workspace.feedback)
    return [found[name] for name in names if name in found]


def _contents(events: Sequence[FeedbackEvent]) -> list[str]:
    return [event_identity.content(event) for event in events]


def _vote(workspace: Workspace, subject: Subject, task: "Assignment", judgement: LabelJudgement) -> JudgementReceipt:
    """Store a judgement of a pair of the waiting round, as a vote; the last one that is wanted ends the wait."""
    _check_pair(workspace, task)
    record = _voted(task, subject.shown_order) | label_events.vote(subject, judgement)
    if task.state != "held":
        if polls.repeats(record, polls.latest(workspace, task.annotator, task.item)):
            return JudgementReceipt(None, repeated=True, continued=False)
        raise _judged_otherwise(task)
    try:
        received = polls.vote(workspace, record, replaces=False)
    except polls.VotedBefore as error:
        raise _judged_otherwise(task) from error
    return JudgementReceipt(None, repeated=bool(received.repeated), continued=_continue(workspace))


def _withdraw_vote(workspace: Workspace, task: "Assignment") -> int:
    """Take back a vote, or that its pair was skipped; returns that the pair was opened again."""
    try:
        _check_pair(workspace, task)
    except polls.NoPoll as error:
        raise NothingToUndo(
            f"the last judgement of {task.annotator} is a vote, and its round no longer waits; judge another task first"
        ) from error
    last = polls.latest(workspace, task.annotator, task.item)
    if last is not None and not polls.is_taken_back(last):
        polls.take_back(workspace, _voted(task, last.shown_order or (0, 1)))
    return task.stored + 1


def _check_pair(workspace: Workspace, task: "Assignment") -> None:
    """Check that a pair is one of the waiting round.

    Raises:
        NoPoll: it is not.
    """
    polls.poll(workspace)
    if task.queue != pairs_id(workspace):
        raise polls.NoPoll(f"the task {task.task} is a pair of an earlier round; take the next task")


def _voted(task: "Assignment", order: Sequence[int]) -> dict[str, Any]:
    return {**task.record, "annotator_id": task.annotator, "shown_order": list(order)}


def _continue(workspace: Workspace) -> bool:
    """Have the run that waits resumed, if there are enough votes; whether there are."""
    from tasks.people.pending import pending
    from tasks.tools.events import resume_later

    awaited = pending(workspace)
    if awaited is None or not awaited.ready:
        return False
    resume_later(awaited.wait.flow_run)
    return True
