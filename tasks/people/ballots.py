"""Blinded pairs of candidate and champion on random sides, and joining the votes with the hidden model names."""

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import NamedTuple

from evaluation.evals import CANDIDATE, CHAMPION
from feedback import pairs as stored_pairs
from feedback.schema import FeedbackEvent, GroupedPrompt, Message, RejectedRecord, Response, event_id
from feedback.sources import AnswerPair
from tasks.state.round import Round, seeded
from tasks.state.workspace import Workspace

AnswerIds = frozenset[str]


class BlindedPair(NamedTuple):
    """A pair as voters see it, and the facts that are hidden from them."""

    pair: AnswerPair
    left: str
    """Model of the first answer: CANDIDATE or CHAMPION."""
    group: str
    """Group of the prompt."""

    @property
    def writers(self) -> dict[str, str]:
        """Id of each answer → CANDIDATE or CHAMPION."""
        ids = [response.response_id for response in self.pair.responses]
        return dict(zip(ids, (self.left, CHAMPION if self.left == CANDIDATE else CANDIDATE), strict=True))


def draw(
    round: Round, prompts: Sequence[GroupedPrompt], candidate: Sequence[str], champion: Sequence[str]
) -> list[BlindedPair | None]:
    """One blinded pair per prompt; None if one of the answers is empty and cannot be shown."""
    return [
        _blinded(round, index, prompt, ours, theirs) if ours.strip() and theirs.strip() else None
        for index, (prompt, ours, theirs) in enumerate(zip(prompts, candidate, champion, strict=True))
    ]


def _blinded(round: Round, index: int, prompt: GroupedPrompt, candidate: str, champion: str) -> BlindedPair:
    pair_id = f"votes-{round.number}-{index:05d}"
    sides = [(CANDIDATE, candidate), (CHAMPION, champion)]
    Random(seeded(round.seed, pair_id)).shuffle(sides)
    left, right = (_response(f"{pair_id}-{side}", text) for side, (_, text) in zip("ab", sides, strict=True))
    return BlindedPair(AnswerPair(pair_id, prompt.prompt, (left, right)), sides[0][0], prompt.group)


def _response(response_id: str, text: str) -> Response:
    """An answer without the name of its model."""
    return Response(response_id=response_id, messages=(Message(role="assistant", content=text),), origin="model")


def drawn(workspace: Workspace) -> list[BlindedPair]:
    """The pairs of this round, with their hidden model names."""
    from tasks.state import tables

    rows = [row for row in tables.rows(workspace.sampled) if row["left"] is not None]
    pairs = zip(stored_pairs.read(workspace.pairs), rows, strict=True)
    return [BlindedPair(pair, row["left"], row["group"]) for pair, row in pairs]


def pairs_id(workspace: Workspace) -> str:
    """Id of this round's set of pairs, from their content."""
    return stored_pairs.pairs_id(workspace.pairs)


def unblinded(
    records: Iterable[FeedbackEvent | RejectedRecord], pairs: Sequence[BlindedPair], pairs_id: str
) -> tuple[list[FeedbackEvent], list[RejectedRecord]]:
    """The votes with model names filled in, and the records that are not votes on the pairs with id `pairs_id`."""
    by_answers = {frozenset(pair.writers): pair for pair in pairs}
    votes: list[FeedbackEvent] = []
    others: list[RejectedRecord] = []
    for record in records:
        if isinstance(record, RejectedRecord):
            others.append(record)
        elif pair := _voted_pair(record, by_answers):
            votes.append(_unblinded(record, pair, pairs_id))
        else:
            why = "its answers are not those of a pair of the round (compared by response_id and text)"
            raw = record.model_dump_json()
            others.append(RejectedRecord(source=record.source, where=record.source_id, reason=why, record=raw))
    return votes, others


def _voted_pair(vote: FeedbackEvent, by_answers: Mapping[AnswerIds, BlindedPair]) -> BlindedPair | None:
    """The pair that was voted on; None if the vote's answers are not those of a pair."""
    answers = {response.response_id: response.text for response in vote.responses}
    pair = by_answers.get(frozenset(answers))
    same = pair and answers == {response.response_id: response.text for response in pair.pair.responses}
    return pair if same else None


def _unblinded(vote: FeedbackEvent, pair: BlindedPair, pairs_id: str) -> FeedbackEvent:
    """A reopened round has other answers under the same ids, so the id of the set of pairs is in the event's id."""
    policy = {"model": "policy"}
    answers = [
        response.model_copy(update=policy | {"model_version": pair.writers[response.response_id]})
        for response in vote.responses
    ]
    identity = {"feedback_id": event_id(pairs_id, vote.feedback_id, "")}
    if vote.supersedes:
        identity["supersedes"] = event_id(pairs_id, vote.supersedes, "")
    context = {"responses": tuple(answers), "prompt_group": pair.group, "batch_id": pairs_id}
    return vote.model_copy(update=identity | context)
