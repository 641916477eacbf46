"""Votes by people: hand out blinded pairs as JSON lines, validate votes, and store them before acknowledging them.

A vote is the record of its pair, a comparison in the canonical form, with judgements and the annotator's name added. It
is stored as handed in, still blinded, in `data/ballots/<id of the pairs>/<n>.jsonl`; the step `vote` fills in the model
names and writes it to `data/votes`.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from core.errors import BadFeedback, RoundsError
from core.files import write_text
from evaluation.evals.votes import OVERALL, is_voter
from feedback import canonical, forgotten, lines
from feedback import pairs as stored_pairs
from feedback.schema import FeedbackEvent, event_id
from feedback.sources import AnswerPair
from feedback.votes import effective
from tasks.people import waiting
from tasks.people.ballots import pairs_id
from tasks.people.waiting import VotesNeeded, Wait
from tasks.state import feedback_database, tombstones
from tasks.state.workspace import Workspace

if TYPE_CHECKING:
    from feedback.store.database import Database
    from feedback.store.queue import QueueProgress

HOLD = timedelta(hours=2)
"""How long pulled pairs are kept for an annotator by default; after that others are offered them too."""

SOURCE = "votes"
"""Source name of the votes by people on a round's pairs."""

TAKEN_BACK = "taken_back"
"""Tag of the judgement that takes a vote or a skip back on the label page, where the person then has the pair again. A
vote that is withdrawn by pushing a skip has no such tag: its person has finished with the pair."""

_ASSIGNED = ("ingested_at", "feedback_id", "supersedes")
"""Fields that this module sets; all others come from the annotator."""


Record = dict[str, Any]
"""A record in the canonical form (docs/feedback.md), before validation."""


class NoPoll(RoundsError):
    """No round waits for votes."""


class VotedBefore(RoundsError):
    """The person has a vote on the pair that says something else, and it was not taken back."""


class VotesReceived(NamedTuple):
    """Counts of the votes that were handed in."""

    new: int
    changed: int
    """Votes that replace an earlier vote of the same person on the same pair; the last one counts."""
    repeated: int
    """Votes equal to the person's stored vote; not stored again."""


def poll(workspace: Workspace) -> Wait:
    """The open round's wait for votes.

    Raises:
        NoPoll: no round waits for votes.
    """
    wait = waiting.now(workspace)
    if wait is None or wait.what != "votes":
        raise NoPoll(
            f"no round of {workspace.root} waits for votes; to vote, run a round with "
            "-S 'vote.annotator={use: people}', which waits as soon as its candidate has been sampled"
        )
    return wait


def pull(
    workspace: Workspace, annotator: str | None = None, limit: int | None = None, time: timedelta = HOLD
) -> list[Record]:
    """Pairs to vote on, as records in the canonical form without judgements.

    Nothing in a record depends on which side is the candidate's. Pairs of equal answers are left out. With `annotator`,
    the pairs are taken from the labelling queue: first those that this person holds from earlier pulls, then pairs that
    the person has not voted on, those with the fewest votes first. Pulled again, they are the same until they are voted
    on.

    Args:
        workspace: the workspace of the waiting round.
        annotator: the person's name, written to each record; None returns all pairs in order and takes none.
        limit: maximum number of pairs; None returns all.
        time: how long the pairs are kept for this person. Held pairs count as votes to come, so that others get others.

    Raises:
        NoPoll: see `poll`.
        BadFeedback: the name does not stand for one person, or the person is forgotten.
        NoDatabase: the feedback database does not answer.
    """
    wait = poll(workspace)
    if annotator is None:
        return [record(pair, wait.round) for pair in handed_out(workspace)[:limit]]
    from feedback.store import queue  # only here: SQLAlchemy takes a second to load

    check_person(workspace, annotator)
    name, now = pairs_id(workspace), datetime.now(UTC)
    with feedback_database.opened(workspace) as database:
        _fill(workspace, database, wait)
        held = len(queue.held(database, name, annotator))
        missing = len(handed_out(workspace)) if limit is None else limit - held
        queue.take(database, name, annotator, max(missing, 0), now, time, beyond_wanted=True)
        queue.extend(database, name, annotator, now + time)
        items = queue.held(database, name, annotator)[:limit]
    return [{**item.record, "annotator_id": annotator} for item in items]


def progress(workspace: Workspace) -> "QueueProgress | None":
    """How far the labelling queue of the waiting round is; None if nobody has pulled pairs from it.

    Raises:
        NoPoll: see `poll`.
        NoDatabase: the feedback database does not answer.
    """
    poll(workspace)
    if not feedback_database.exists(workspace):
        return None
    from feedback.store import queue

    with feedback_database.opened(workspace) as database:
        return queue.progress(database, pairs_id(workspace), datetime.now(UTC))


def push(workspace: Workspace, files: Sequence[Path]) -> VotesReceived:
    """Store votes: all of them, or none if one is invalid. They are on disk when this returns.

    Raises:
        NoPoll: see `poll`; also if the round has continued in the meantime.
        BadFeedback: lines that are not valid votes on one of the pairs; names file, line and reason of the first five.
        NoDatabase: the feedback database does not answer.
    """
    return _push(workspace, (line for file in files for line in lines.read(file)))


def vote(workspace: Workspace, record: Record, replaces: bool = True) -> VotesReceived:
    """Store one vote. It is on disk when this returns.

    Args:
        workspace: the workspace of the waiting round.
        record: the vote.
        replaces: whether it replaces another vote of the person on the pair that was not taken back.

    Raises:
        NoPoll, BadFeedback, NoDatabase: see `push`.
        VotedBefore: without `replaces`, if there is such a vote; nothing was stored.
    """
    return _push(workspace, [_line(record)], replaces)


def take_back(workspace: Workspace, record: Record) -> None:
    """Take back a person's last vote on a pair, or that they skipped it: they have the pair again.

    Args:
        workspace: the workspace of the waiting round.
        record: the pair with the person's name, without judgements.

    Raises:
        NoPoll, BadFeedback, NoDatabase: see `push`.
    """
    _push(workspace, [_line({**record, "judgements": [{"outcome": "skip", "tags": [TAKEN_BACK]}]})])


def is_taken_back(vote: FeedbackEvent) -> bool:
    """Whether a stored vote takes the person's one before it back."""
    return any(TAKEN_BACK in judgement.tags for judgement in vote.judgements)


def latest(workspace: Workspace, annotator: str, pair: str) -> FeedbackEvent | None:
    """A person's last vote on a pair; None without one."""
    own = [vote for vote in cast(workspace) if _voter_and_pair(vote) == (annotator, pair)]
    return own[-1] if own else None


def repeats(record: Record, last: FeedbackEvent | None) -> bool:
    """Whether a record of a vote says what the person's last vote on the pair says.

    Raises:
        BadFeedback: it is no vote.
    """
    return last is not None and _given(_event(_line(record))) == _given(last)


def _push(workspace: Workspace, votes: Iterable[lines.Line], replaces: bool = True) -> VotesReceived:
    with waiting.changing(workspace):
        wait = poll(workspace)
        pairs = {pair.pair_id: pair for pair in handed_out(workspace)}
        gone = tombstones.forgotten(workspace)
        parsed = [_read(line, pairs, gone) for line in votes]
        if problems := [problem for problem in parsed if isinstance(problem, str)]:
            shown = "\n".join(f"  {problem}" for problem in problems[:5])
            raise BadFeedback(
                f"{len(problems)} invalid votes, so nothing was accepted; correct or remove them:\n{shown}"
            )
        given = [vote for vote in parsed if isinstance(vote, FeedbackEvent)]
        if not replaces:
            _check_first(workspace, given)
        with feedback_database.opened(workspace) as database:  # first: nothing is stored if it does not answer
            received = _store(workspace, given)
            _fill(workspace, database, wait)
    return received


def cast(workspace: Workspace) -> list[FeedbackEvent]:
    """All stored votes on this round's pairs, in the order they were handed in, still blinded."""
    files = sorted((workspace.ballots / pairs_id(workspace)).glob("*.jsonl")) if workspace.pairs.exists() else []
    return [FeedbackEvent.model_validate_json(line) for file in files for line in file.read_bytes().splitlines()]


def count(workspace: Workspace) -> int:
    """Number of votes with an overall preference or tie."""
    return sum(_is_decisive(vote) for vote in effective(cast(workspace)))


def handed_out(workspace: Workspace) -> list[AnswerPair]:
    """The pairs that people vote on: those whose answers differ."""
    pairs = stored_pairs.read(workspace.pairs)
    return [pair for pair in pairs if pair.responses[0].text != pair.responses[1].text]


def check_person(workspace: Workspace, annotator: str) -> None:
    """Check that a name stands for one person, who is not forgotten.

    Raises:
        BadFeedback: it does not, or the person is.
    """
    _check_person(annotator, tombstones.forgotten(workspace))


def _fill(workspace: Workspace, database: "Database", wait: Wait) -> None:
    """Put the round's pairs into the labelling queue, and note there who has voted on which: the ballots decide.

    Repeated, it changes nothing; a push that was killed before its end is completed by the next push or pull.
    """
    from feedback.store import queue

    name, pairs = pairs_id(workspace), handed_out(workspace)
    wanted = wait.about.votes if isinstance(wait.about, VotesNeeded) else 1
    each = math.ceil(wanted / max(len(pairs), 1))
    queue.add(database, name, [queue.QueueItem(pair.pair_id, record(pair, wait.round)) for pair in pairs], each)
    voted: dict[str, set[str]] = {}
    for vote in {_voter_and_pair(vote): vote for vote in cast(workspace)}.values():
        if not is_taken_back(vote):
            voted.setdefault(vote.annotator_id, set()).add(vote.source_id)
    for annotator, names in voted.items():
        queue.finish(database, name, annotator, sorted(names), datetime.now(UTC))


def _is_decisive(vote: FeedbackEvent) -> bool:
    overall = (judgement for judgement in vote.judgements if judgement.criterion == OVERALL)
    decided = any(judgement.outcome == "prefer" or judgement.outcome.startswith("tie") for judgement in overall)
    return decided and is_voter(vote) and vote.status == "active"


def record(pair: AnswerPair, round: int) -> Record:
    """The record of a pair that is handed out."""
    answers = [
        {"response_id": response.response_id, "messages": [turn.model_dump() for turn in response.messages]}
        for response in pair.responses
    ]
    return {
        "kind": "comparison",
        "source": SOURCE,
        "source_id": pair.pair_id,
        "round": round,
        "prompt": [turn.model_dump() for turn in pair.prompt],
        "responses": answers,
        "shown_order": [0, 1],
    }


def _read(line: lines.Line, pairs: Mapping[str, AnswerPair], gone: Sequence[str]) -> FeedbackEvent | str:
    """The vote in a line, or the reason why it is invalid."""
    try:
        vote = _event(line)
        _check(vote, pairs.get(vote.source_id))
        _check_person(vote.annotator_id, gone)
    except BadFeedback as error:
        return f"{line.where}: {error}"
    return vote


def _line(record: Record) -> lines.Line:
    return lines.Line("the vote", json.dumps(record, ensure_ascii=False).encode(), 1)


def _event(line: lines.Line) -> FeedbackEvent:
    return canonical.event(lines.parse(line), {"source": SOURCE, "source_id": "", "source_sha256": line.sha256})


def _check(vote: FeedbackEvent, pair: AnswerPair | None) -> None:
    if vote.kind != "comparison" or vote.source != SOURCE:
        raise BadFeedback(f"kind is {vote.kind!r} and source {vote.source!r}; expected a comparison from {SOURCE!r}")
    if pair is None:
        raise BadFeedback(
            f"source_id {vote.source_id!r} is not a pair of the waiting round, expected one from `rounds votes pull`"
        )
    if vote.annotator_id == "unknown":
        raise BadFeedback("annotator_id is missing, expected a name for each person: a person votes once on a pair")
    if vote.prompt != pair.prompt:
        raise BadFeedback(f"prompt differs from that of {pair.pair_id}, expected the one that was pulled")
    if [_content(answer) for answer in vote.responses] != [_content(answer) for answer in pair.responses]:
        raise BadFeedback(
            f"responses differ from those of {pair.pair_id}, or their order; expected those that were pulled"
        )
    if vote.shown_order is None:
        raise BadFeedback(
            "shown_order is missing, expected [0, 1] if the first answer was shown on the left, or [1, 0]"
        )
    if vote.status != "active":
        raise BadFeedback(
            f"status is {vote.status!r}, expected 'active'; to withdraw a vote, vote again with the outcome `skip`"
        )
    if vote.supersedes:
        raise BadFeedback("supersedes is set automatically, expected none (the last vote of a person on a pair counts)")


def _check_person(annotator: str, gone: Sequence[str]) -> None:
    from feedback.store import queue

    queue.check_annotator(annotator)
    if forgotten.pseudonym(annotator) in gone:
        raise BadFeedback(f"annotator {annotator!r} is forgotten, and stays so; use another id")


def _check_first(workspace: Workspace, votes: Sequence[FeedbackEvent]) -> None:
    """Check that no vote replaces one that was not taken back.

    Raises:
        VotedBefore: one would.
    """
    standing = {_voter_and_pair(vote): vote for vote in cast(workspace)}
    for vote in votes:
        last = standing.get(_voter_and_pair(vote))
        if last is not None and not is_taken_back(last) and _given(vote) != _given(last):
            raise VotedBefore(f"{vote.annotator_id} has another vote on {vote.source_id}; take that one back first")


def _content(answer: Any) -> Any:
    return answer.response_id, answer.messages


def _store(workspace: Workspace, votes: Sequence[FeedbackEvent]) -> VotesReceived:
    """Write new and changed votes to the next file, atomically."""
    latest = {_voter_and_pair(vote): vote for vote in cast(workspace)}  # a later vote replaces an earlier one
    stored: list[FeedbackEvent] = []
    changed = 0
    for vote in votes:
        last = latest.get(_voter_and_pair(vote))
        if last is None or _given(vote) != _given(last):
            stored.append(_identified(vote, last))
            latest[_voter_and_pair(vote)] = stored[-1]
            changed += last is not None
    if stored:
        name = pairs_id(workspace)
        number = len(list((workspace.ballots / name).glob("*.jsonl"))) + 1
        write_text(workspace.ballot(name, number), "".join(vote.model_dump_json() + "\n" for vote in stored))
    return VotesReceived(len(stored) - changed, changed, len(votes) - len(stored))


def _identified(vote: FeedbackEvent, last: FeedbackEvent | None) -> FeedbackEvent:
    """The vote with a unique id, also if the person returns to a judgement that they had changed before."""
    native = json.dumps([_given(vote), last and last.feedback_id], sort_keys=True)
    assigned = {
        "feedback_id": event_id(SOURCE, native, vote.annotator_id),
        "supersedes": last and last.feedback_id,
        "ingested_at": datetime.now(UTC),
    }
    return vote.model_copy(update=assigned)


def _voter_and_pair(vote: FeedbackEvent) -> tuple[str, str]:
    return vote.annotator_id, vote.source_id


def _given(vote: FeedbackEvent) -> Record:
    return vote.model_dump(mode="json", exclude={*_ASSIGNED, "source_sha256"})


def as_lines(records: Sequence[Record]) -> Iterator[str]:
    """Records as JSON lines."""
    yield from (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
