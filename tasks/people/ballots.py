"""Blinded pairs: candidate against champion on sides drawn at random, and who wrote which joined again to the votes."""

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import NamedTuple

from evaluation.evals import CANDIDATE, CHAMPION
from feedback import pairs as waiting
from feedback.schema import FeedbackEvent, GroupedPrompt, Message, RejectedRecord, Response, event_id
from feedback.sources import AnswerPair
from tasks.state.round import Round, seeded
from tasks.state.workspace import Workspace

Names = frozenset[str]


class BlindedPair(NamedTuple):
    """A pair as voters see it, and what they are not told."""

    pair: AnswerPair
    left: str
    """CANDIDATE or CHAMPION."""
    group: str
    """Of the prompt."""

    @property
    def writers(self) -> dict[str, str]:
        """Id of each answer → who wrote it."""
        names = [response.response_id for response in self.pair.responses]
        return dict(zip(names, (self.left, CHAMPION if self.left == CANDIDATE else CANDIDATE), strict=True))


def draw(
    round: Round, asked: Sequence[GroupedPrompt], candidate: Sequence[str], champion: Sequence[str]
) -> list[BlindedPair | None]:
    """Row by row the pair that is voted on; None where an answer is empty, which nobody can be shown."""
    return [
        _blinded(round, index, prompt, ours, theirs) if ours.strip() and theirs.strip() else None
        for index, (prompt, ours, theirs) in enumerate(zip(asked, candidate, champion, strict=True))
    ]


def _blinded(round: Round, index: int, asked: GroupedPrompt, candidate: str, champion: str) -> BlindedPair:
    pair_id = f"votes-{round.number}-{index:05d}"
    sides = [(CANDIDATE, candidate), (CHAMPION, champion)]
    Random(seeded(round.seed, pair_id)).shuffle(sides)
    left, right = (_response(f"{pair_id}-{side}", text) for side, (_, text) in zip("ab", sides, strict=True))
    return BlindedPair(AnswerPair(pair_id, asked.prompt, (left, right)), sides[0][0], asked.group)


def _response(response_id: str, text: str) -> Response:
    """An answer that does not tell which model gave it."""
    return Response(response_id=response_id, messages=(Message(role="assistant", content=text),), origin="model")


def drawn(workspace: Workspace) -> list[BlindedPair]:
    """The pairs of this round, with who wrote which."""
    from tasks.state import tables

    rows = [row for row in tables.rows(workspace.sampled) if row["left"] is not None]
    known = zip(waiting.read(workspace.pairs), rows, strict=True)
    return [BlindedPair(pair, row["left"], row["group"]) for pair, row in known]


def batch(workspace: Workspace) -> str:
    """The name of this round's set of pairs."""
    return waiting.batch_id(workspace.pairs)


def unblinded(
    records: Iterable[FeedbackEvent | RejectedRecord], known: Sequence[BlindedPair], batch: str
) -> tuple[list[FeedbackEvent], list[RejectedRecord]]:
    """The votes with who wrote which joined again, and the records that are no votes on these pairs."""
    places = {frozenset(one.writers): one for one in known}
    votes: list[FeedbackEvent] = []
    others: list[RejectedRecord] = []
    for record in records:
        if isinstance(record, RejectedRecord):
            others.append(record)
        elif voted := _voted(record, places):
            votes.append(_unblinded(record, voted, batch))
        else:
            why = "compares other answers than one of the round's pairs (told apart by response_id and text)"
            raw = record.model_dump_json()
            others.append(RejectedRecord(source=record.source, where=record.source_id, reason=why, record=raw))
    return votes, others


def _voted(vote: FeedbackEvent, places: Mapping[Names, BlindedPair]) -> BlindedPair | None:
    """The pair that was voted on; None where the answers are not those of a pair."""
    given = {response.response_id: response.text for response in vote.responses}
    found = places.get(frozenset(given))
    same = found and given == {response.response_id: response.text for response in found.pair.responses}
    return found if same else None


def _unblinded(vote: FeedbackEvent, voted: BlindedPair, batch: str) -> FeedbackEvent:
    """A round that is opened anew asks about other answers under the same ids, so the batch is part of the identity."""
    said = {"model": "policy"}
    answers = [
        response.model_copy(update=said | {"model_version": voted.writers[response.response_id]})
        for response in vote.responses
    ]
    identity = {"feedback_id": event_id(batch, vote.feedback_id, "")}
    if vote.supersedes:
        identity["supersedes"] = event_id(batch, vote.supersedes, "")
    place = {"responses": tuple(answers), "prompt_group": voted.group, "batch_id": batch}
    return vote.model_copy(update=identity | place)
