"""Fresh votes by people: pairs handed out as JSON lines, blinded; votes checked and kept before they are acknowledged.

A vote comes back as its pair went out, a comparison of the canonical form, with judgements and the name of whoever
judged. It is kept as it was handed in, still blinded, in `data/ballots/<batch>/<n>.jsonl`; the step `vote` joins who
wrote which, and takes it into `data/votes`.
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
from feedback import pairs as waiting_pairs
from feedback.schema import FeedbackEvent, event_id
from feedback.sources import AnswerPair
from feedback.votes import effective
from tasks.people import waiting
from tasks.people.ballots import batch
from tasks.people.waiting import Wait
from tasks.state.round import seeded
from tasks.state.workspace import Workspace

SOURCE = "votes"
"""The source of every vote that people give on a round's pairs."""

_GIVEN = ("ingested_at", "feedback_id", "supersedes")
"""What this module adds to a vote; all else is what the annotator said."""


Record = dict[str, Any]
"""A record of the canonical form (docs/feedback.md), before it is checked."""


class NoPoll(RoundsError):
    """No round waits for votes."""


class VotesReceived(NamedTuple):
    """What became of the votes that were handed in."""

    new: int
    changed: int
    """New votes of people on pairs that they had voted on: the last one counts."""
    repeated: int


def poll(workspace: Workspace) -> Wait:
    """The wait for votes of the open round.

    Raises:
        NoPoll: there is none.
    """
    wait = waiting.now(workspace)
    if wait is None or wait.what != "votes":
        raise NoPoll(
            f"no round of {workspace.root} waits for votes; one does that was opened with "
            "-S 'vote.annotator={use: people}', as soon as its candidate is trained"
        )
    return wait


def pull(workspace: Workspace, annotator: str | None = None, limit: int | None = None) -> list[Record]:
    """Pairs to vote on, as records of the canonical form without judgements.

    Nothing in a record depends on which side is the candidate's. Pairs of equal answers are left out: there is nothing
    to prefer. Whoever gives a name gets the pairs that they have not voted on, in an order of their own, so that people
    who each take some take different ones; asked again, they get the same.

    Raises:
        NoPoll: see `poll`.
    """
    wait = poll(workspace)
    pairs = handed_out(workspace)
    if annotator is not None:
        voted = {event.source_id for event in cast(workspace) if event.annotator_id == annotator}
        pairs = [pair for pair in pairs if pair.pair_id not in voted]
        Random(seeded(batch(workspace), annotator)).shuffle(pairs)
    named = {} if annotator is None else {"annotator_id": annotator}
    return [record(pair, wait.round) | named for pair in pairs[:limit]]


def push(workspace: Workspace, files: Sequence[Path]) -> VotesReceived:
    """Take votes in: all of them, or none where one cannot be used. On disk when this returns.

    Raises:
        NoPoll: see `poll`; a vote that comes after the round went on is not taken.
        BadFeedback: a line that is no vote on one of the pairs; names file, line and reason of the first few.
    """
    with waiting.changing(workspace):
        poll(workspace)
        pairs = {pair.pair_id: pair for pair in handed_out(workspace)}
        read = [_read(line, pairs) for file in files for line in lines.read(file)]
        if bad := [one for one in read if isinstance(one, str)]:
            shown = "\n".join(f"  {reason}" for reason in bad[:5])
            raise BadFeedback(
                f"{len(bad)} votes cannot be used, nothing was taken in; correct them, or take them out:\n{shown}"
            )
        return _keep(workspace, [one for one in read if isinstance(one, FeedbackEvent)])


def cast(workspace: Workspace) -> list[FeedbackEvent]:
    """All votes that were handed in on this round's pairs, in their order, still blinded."""
    files = sorted((workspace.ballots / batch(workspace)).glob("*.jsonl")) if workspace.pairs.exists() else []
    return [FeedbackEvent.model_validate_json(line) for file in files for line in file.read_bytes().splitlines()]


def count(workspace: Workspace) -> int:
    """The votes that say something overall: which answer is better, or that neither is."""
    return sum(_says(vote) for vote in effective(cast(workspace)))


def handed_out(workspace: Workspace) -> list[AnswerPair]:
    """The pairs that people are asked about."""
    known = waiting_pairs.read(workspace.pairs)
    return [pair for pair in known if pair.responses[0].text != pair.responses[1].text]


def _says(vote: FeedbackEvent) -> bool:
    overall = (judgement for judgement in vote.judgements if judgement.criterion == OVERALL)
    said = any(one.outcome == "prefer" or one.outcome.startswith("tie") for one in overall)
    return said and vote.annotator_type in VOTERS and vote.status == "active"


def record(pair: AnswerPair, round: int) -> Record:
    """A pair as it is handed out."""
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
    """A line as a vote, or why it is none."""
    try:
        record = lines.parse(line)
        vote = canonical.event(record, {"source": SOURCE, "source_id": "", "source_sha256": line.sha256})
        _check(vote, pairs.get(vote.source_id))
    except BadFeedback as error:
        return f"{line.where}: {error}"
    return vote


def _check(vote: FeedbackEvent, pair: AnswerPair | None) -> None:
    if vote.kind != "comparison" or vote.source != SOURCE:
        raise BadFeedback(f"kind is {vote.kind!r} and source {vote.source!r}; a vote is a comparison from {SOURCE!r}")
    if pair is None:
        raise BadFeedback(f"source_id {vote.source_id!r} is no pair of the round that waits; pull its pairs")
    if vote.annotator_id == "unknown":
        raise BadFeedback("annotator_id is missing: each person votes once on a pair")
    if vote.prompt != pair.prompt:
        raise BadFeedback(f"prompt is not that of {pair.pair_id}; hand it back as it was pulled")
    if [_told(answer) for answer in vote.responses] != [_told(answer) for answer in pair.responses]:
        raise BadFeedback(f"responses are not the two of {pair.pair_id} in their order; hand them back as pulled")
    if vote.shown_order is None:
        raise BadFeedback("shown_order is missing: say which answer stood on the left, [0, 1] as pulled or [1, 0]")
    if vote.status != "active":
        raise BadFeedback(f"status is {vote.status!r}, which takes nothing back; vote again, with the outcome `skip`")
    if vote.supersedes:
        raise BadFeedback("supersedes is filled in here: the last vote of a person on a pair counts")


def _told(answer: Any) -> Any:
    return answer.response_id, answer.messages


def _keep(workspace: Workspace, votes: Sequence[FeedbackEvent]) -> VotesReceived:
    """Write what is new as the next file, whole."""
    before = {_who_on_what(vote): vote for vote in cast(workspace)}  # the last one of each stays
    kept: list[FeedbackEvent] = []
    changed = 0
    for vote in votes:
        last = before.get(_who_on_what(vote))
        if last is None or _said(vote) != _said(last):
            kept.append(_stamped(vote, last))
            before[_who_on_what(vote)] = kept[-1]
            changed += last is not None
    if kept:
        name = batch(workspace)
        number = len(list((workspace.ballots / name).glob("*.jsonl"))) + 1
        write_text(workspace.ballot(name, number), "".join(vote.model_dump_json() + "\n" for vote in kept))
    return VotesReceived(len(kept) - changed, changed, len(votes) - len(kept))


def _stamped(vote: FeedbackEvent, last: FeedbackEvent | None) -> FeedbackEvent:
    """A vote with an identity of its own, also where the person goes back to what they said before the last time."""
    native = json.dumps([_said(vote), last and last.feedback_id], sort_keys=True)
    given = {
        "feedback_id": event_id(SOURCE, native, vote.annotator_id),
        "supersedes": last and last.feedback_id,
        "ingested_at": datetime.now(UTC),
    }
    return vote.model_copy(update=given)


def _who_on_what(vote: FeedbackEvent) -> tuple[str, str]:
    return vote.annotator_id, vote.source_id


def _said(vote: FeedbackEvent) -> Record:
    return vote.model_dump(mode="json", exclude={*_GIVEN, "source_sha256"})


def as_lines(records: Sequence[Record]) -> Iterator[str]:
    """Records as JSON lines."""
    yield from (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
