"""Events taken apart into votes: who prefers which of two answers to a prompt, under which criterion."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import combinations
from math import comb
from typing import NamedTuple

from feedback.schema import FeedbackEvent, Judgement

CHOICES = ("comparison", "ranking")
"""Kinds of events that hold votes."""
_TIES = ("tie", "tie_both_good", "tie_both_bad")
_DAWN = datetime(1970, 1, 1, tzinfo=UTC)


class PairKey(NamedTuple):
    """What is voted on. The two answers stand in the order of their texts, however they were shown."""

    prompt_id: str
    first: str
    second: str
    criterion: str


class Vote(NamedTuple):
    """One person's word on one pair."""

    event: FeedbackEvent
    pair: PairKey
    share: float | None
    """1 for the first answer, 0 for the second, .5 for a tie; None where the person would not say."""
    weight: float
    """1 for a comparison; 1/C(K,2) for each pair of a ranking of K (Ouyang et al. 2022, section 3.5)."""


def in_time(events: Iterable[FeedbackEvent]) -> list[FeedbackEvent]:
    """Events from the earliest to the latest: one order, whatever order they come in."""
    return sorted(events, key=lambda event: (event.round, event.created_at or _DAWN, event.feedback_id))


def standing(events: Iterable[FeedbackEvent]) -> list[FeedbackEvent]:
    """The events that count: active, and not superseded by an active one."""
    active = [event for event in events if event.status == "active"]
    replaced = {event.supersedes for event in active}
    return [event for event in active if event.feedback_id not in replaced]


def frozen_groups(ordered: Iterable[FeedbackEvent]) -> dict[str, str]:
    """Prompt id → the group of its first event, whatever became of that: a prompt has one split, for good."""
    groups: dict[str, str] = {}
    for event in ordered:
        groups.setdefault(event.prompt_id, event.prompt_group)
    return groups


def person(event: FeedbackEvent) -> str:
    """Who spoke. Each event of an unknown annotator counts as another person's."""
    return f"event {event.feedback_id}" if event.annotator_id == "unknown" else f"annotator {event.annotator_id}"


def votes(event: FeedbackEvent) -> Iterator[Vote]:
    """The votes in a comparison or ranking: one a criterion and pair of different, ranked answers."""
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


def last_words(votes: Iterable[Vote]) -> list[Vote]:
    """Each person's last vote on each pair; `votes` are given, and returned, in the order of time."""
    last: dict[tuple[str, PairKey], Vote] = {}
    for vote in votes:
        last.pop((person(vote.event), vote.pair), None)  # else the vote would stand where the first one stood
        last[person(vote.event), vote.pair] = vote
    return list(last.values())


def equal_answers(event: FeedbackEvent) -> int:
    """Pairs of answers to choose from that have the same text: there is nothing to vote on."""
    if event.kind not in CHOICES:
        return 0
    return sum(one.text == other.text for one, other in combinations(event.responses, 2))


def _compares(judgement: Judgement, first: int, second: int) -> bool:
    """Whether anything was said of the two; a ranking may leave answers out."""
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
