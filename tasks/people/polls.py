"""Votes by people: hand out blinded pairs as JSON lines, validate votes, and store them before acknowledging them.

A vote is the record of its pair, a comparison in the canonical form, with judgements and the annotator's name added. It
is stored as handed in, still blinded, in `data/ballots/<id of the pairs>/<n>.jsonl`; the step `vote` fills in the model
names and writes it to `data/votes`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from core.errors import BadFeedback, RoundsError
from core.files import write_text
from evaluation.evals.votes import OVERALL, VOTERS
from feedback import canonical, lines
from feedback import pairs as stored_pairs
from feedback.schema import FeedbackEvent, event_id
from feedback.sources import AnswerPair
from feedback.votes import effective
from tasks.people import waiting
from tasks.people.ballots import pairs_id
from tasks.people.waiting import Wait
from tasks.state.round import seeded
from tasks.state.workspace import Workspace

SOURCE = "votes"
"""Source name of the votes by people on a round's pairs."""

_ASSIGNED = ("ingested_at", "feedback_id", "supersedes")
"""Fields that this module sets; all others come from the annotator."""


Record = dict[str, Any]
"""A record in the canonical form (docs/feedback.md), before validation."""


class NoPoll(RoundsError):
    """No round waits for votes."""


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


def pull(workspace: Workspace, annotator: str | None = None, limit: int | None = None) -> list[Record]:
    """Pairs to vote on, as records in the canonical form without judgements.

    Nothing in a record depends on which side is the candidate's. Pairs of equal answers are left out. With `annotator`,
    only pairs that this person has not voted on are returned, shuffled with a seed made from the name, so that people
    who each take a few get different ones; the order is the same at every call.

    Args:
        workspace: the workspace of the waiting round.
        annotator: the person's name, written to each record; None returns all pairs in order.
        limit: maximum number of pairs; None returns all.

    Raises:
        NoPoll: see `poll`.
    """
    wait = poll(workspace)
    pairs = handed_out(workspace)
    if annotator is not None:
        voted = {event.source_id for event in cast(workspace) if event.annotator_id == annotator}
        pairs = [pair for pair in pairs if pair.pair_id not in voted]
        Random(seeded(pairs_id(workspace), annotator)).shuffle(pairs)
    named = {} if annotator is None else {"annotator_id": annotator}
    return [record(pair, wait.round) | named for pair in pairs[:limit]]


def push(workspace: Workspace, files: Sequence[Path]) -> VotesReceived:
    """Store votes: all of them, or none if one is invalid. They are on disk when this returns.

    Raises:
        NoPoll: see `poll`; also if the round has continued in the meantime.
        BadFeedback: lines that are not valid votes on one of the pairs; names file, line and reason of the first five.
    """
    with waiting.changing(workspace):
        poll(workspace)
        pairs = {pair.pair_id: pair for pair in handed_out(workspace)}
        parsed = [_read(line, pairs) for file in files for line in lines.read(file)]
        if problems := [problem for problem in parsed if isinstance(problem, str)]:
            shown = "\n".join(f"  {problem}" for problem in problems[:5])
            raise BadFeedback(
                f"{len(problems)} invalid votes, so nothing was accepted; correct or remove them:\n{shown}"
            )
        return _store(workspace, [vote for vote in parsed if isinstance(vote, FeedbackEvent)])


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


def _is_decisive(vote: FeedbackEvent) -> bool:
    overall = (judgement for judgement in vote.judgements if judgement.criterion == OVERALL)
    decided = any(judgement.outcome == "prefer" or judgement.outcome.startswith("tie") for judgement in overall)
    return decided and vote.annotator_type in VOTERS and vote.status == "active"


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


def _read(line: lines.Line, pairs: Mapping[str, AnswerPair]) -> FeedbackEvent | str:
    """The vote in a line, or the reason why it is invalid."""
    try:
        record = lines.parse(line)
        vote = canonical.event(record, {"source": SOURCE, "source_id": "", "source_sha256": line.sha256})
        _check(vote, pairs.get(vote.source_id))
    except BadFeedback as error:
        return f"{line.where}: {error}"
    return vote


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
