"""Events as votes: who prefers which of two answers to a prompt, under which criterion."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import combinations
from math import comb
from typing import NamedTuple

from feedback.schema import FeedbackEvent, Judgement

CHOICES = ("comparison", "ranking")
"""Kinds of events that contain votes."""
_TIES = ("tie", "tie_both_good", "tie_both_bad")
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PairKey(NamedTuple):
    """Identifies what is voted on. The two answers are sorted by text, however they were shown."""

    prompt_id: str
    first: str
    second: str
    criterion: str


class Vote(NamedTuple):
    """One person's vote on one pair."""

    event: FeedbackEvent
    pair: PairKey
    share: float | None
    """1 for the first answer, 0 for the second, .5 for a tie; None for an abstention."""
    weight: float
    """1 for a comparison; 1/C(K,2) for each pair of a ranking of K (Ouyang et al. 2022, section 3.5)."""


def chronological(events: Iterable[FeedbackEvent]) -> list[FeedbackEvent]:
    """Events sorted by round, then by time, then by id: the result does not depend on their order."""
    return sorted(events, key=lambda event: (event.round, event.created_at or _UNIX_EPOCH, event.feedback_id))


def effective(events: Iterable[FeedbackEvent]) -> list[FeedbackEvent]:
    """The events that count: active, and not superseded by an active one."""
    active = [event for event in events if event.status == "active"]
    replaced = {event.supersedes for event in active}
    return [event for event in active if event.feedback_id not in replaced]


def frozen_groups(ordered: Iterable[FeedbackEvent]) -> dict[str, str]:
    """Prompt id → the group of its first event, even if that event no longer counts: a prompt never changes its split.

    `ordered` are all events, in chronological order.
    """
    groups: dict[str, str] = {}
    for event in ordered:
        groups.setdefault(event.prompt_id, event.prompt_group)
    return groups


def person(event: FeedbackEvent) -> str:
    """Identifies the annotator. Each event of an unknown annotator counts as a different person."""
    return f"event {event.feedback_id}" if event.annotator_id == "unknown" else f"annotator {event.annotator_id}"


def votes(event: FeedbackEvent) -> Iterator[Vote]:
    """The votes in a comparison or ranking: one per criterion and pair of ranked answers with different texts."""
    if event.kind not in CHOICES:
        return
    texts = [response.text for response in event.responses]
    weight = 1 / max(comb(len(texts), 2), 1)
    for judgement in event.judgements:
        for pair in combinations(range(len(texts)), 2):
            first, second = sorted(pair, key=texts.__getitem__)
            if texts[first] != texts[second] and _compares(judgement, first, second):
                subject = PairKey(event.prompt_id, texts[first], texts[second], judgement.criterion)
                yield Vote(event, subject, _share(judgement, first, second), weight)


def last_votes(votes: Iterable[Vote]) -> list[Vote]:
    """Each person's last vote on each pair; `votes` must be in chronological order, and so is the result."""
    last: dict[tuple[str, PairKey], Vote] = {}
    for vote in votes:
        last.pop((person(vote.event), vote.pair), None)  # otherwise the vote would keep the first one's position
        last[person(vote.event), vote.pair] = vote
    return list(last.values())


def equal_answers(event: FeedbackEvent) -> int:
    """Number of pairs of answers with the same text: there is nothing to vote on."""
    if event.kind not in CHOICES:
        return 0
    return sum(first.text == second.text for first, second in combinations(event.responses, 2))


def _compares(judgement: Judgement, first: int, second: int) -> bool:
    """Whether the judgement covers both answers: a ranking may leave answers out."""
    if judgement.outcome != "prefer":
        return True
    return judgement.ranks is not None and None not in (judgement.ranks[first], judgement.ranks[second])


def _share(judgement: Judgement, first: int, second: int) -> float | None:
    if judgement.outcome in _TIES:
        return 0.5
    if judgement.outcome != "prefer" or judgement.ranks is None:
        return None
    above, below = judgement.ranks[first], judgement.ranks[second]
    if above is None or below is None:
        return None
    return 0.5 if above == below else float(above < below)
