"""Events as votes: who prefers which of two answers to a prompt, under which criterion."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import combinations
from typing import NamedTuple

from feedback.stored import AnyEvent, AnyJudgement, Event

CHOICES = ("comparison", "ranking")
"""Kinds of events that are made to compare answers."""
UNKNOWN = "unknown"
"""The annotator of an event that names none."""
BEST_ONLY = "best_only"
"""Tag of a ranking in which one answer was chosen among several: the others are not compared with each other."""
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

    event: Event
    """The event that contains the vote; for a vote made of two ratings or thumbs, the later one."""
    pair: PairKey
    share: float | None
    """1 for the first answer, 0 for the second, .5 for a tie; None for an abstention."""
    weight: float
    """1 for a comparison; 1/n for each of the n pairs of a ranking, so that one ranking counts as one act."""
    strength: float | None = None
    """How strong the preference is, 0 to 1; None if the annotator did not state it."""
    earlier: Event | None = None
    """The other event of a vote made of two ratings or thumbs."""

    @property
    def events(self) -> list[Event]:
        """The events that the vote is made of."""
        return [self.event] if self.earlier is None else [self.earlier, self.event]

    @property
    def person(self) -> str:
        """Identifies who cast the vote; two people together if one liked an answer and one disliked the other."""
        return " and ".join(dict.fromkeys(person(event) for event in self.events))

    @property
    def annotator(self) -> str:
        """The annotator's id; `unknown` if there is none, or if the vote is made of the thumbs of two people."""
        known = self.event.annotator_id if is_known(self.event) else UNKNOWN
        return known if len({person(event) for event in self.events}) == 1 else UNKNOWN


def arrived(events: Iterable[AnyEvent]) -> list[AnyEvent]:
    """Events in the order of their arrival: by round, and in the given order within a round.

    The store returns the events of a round in the order in which the round read them.
    """
    return sorted(events, key=lambda event: event.round)


def chronological(events: Iterable[AnyEvent]) -> list[AnyEvent]:
    """Events sorted by time, then by arrival (`arrived`).

    An event without a time counts as made when it arrived: after every event that arrived before it.
    """
    moments: list[datetime] = []
    latest = _UNIX_EPOCH
    ordered = arrived(events)
    for event in ordered:
        latest = max(latest, event.created_at or latest)
        moments.append(event.created_at or latest)
    return [ordered[ix] for ix in sorted(range(len(ordered)), key=moments.__getitem__)]


def effective(events: Iterable[AnyEvent]) -> list[AnyEvent]:
    """The events that count: active, and not superseded by an active one."""
    active = [event for event in events if event.status == "active"]
    replaced = {event.supersedes for event in active}
    return [event for event in active if event.feedback_id not in replaced]


def frozen_groups(arrival: Iterable[Event]) -> dict[str, str]:
    """Prompt id → the group of its first event, even if that event no longer counts: a prompt never changes its split.

    `arrival` are all events, in the order of their arrival.
    """
    groups: dict[str, str] = {}
    for event in arrival:
        groups.setdefault(event.prompt_id, event.prompt_group)
    return groups


def first_rounds(events: Iterable[Event]) -> dict[str, int]:
    """Prompt id → the round in which its first event arrived, even if that event no longer counts."""
    rounds: dict[str, int] = {}
    for event in events:
        rounds[event.prompt_id] = min(event.round, rounds.get(event.prompt_id, event.round))
    return rounds


def is_known(event: Event) -> bool:
    """Whether the event names its annotator; a blank name is none."""
    return event.annotator_id.strip() not in ("", UNKNOWN)


def person(event: Event) -> str:
    """Identifies the annotator. Each event of an unknown annotator counts as a different person."""
    return f"annotator {event.annotator_id}" if is_known(event) else f"event {event.feedback_id}"


def votes(event: Event) -> Iterator[Vote]:
    """The votes in an event that ranks answers: one per criterion and pair of ranked answers with different texts."""
    texts = [response.text for response in event.responses]
    for judgement in event.judgements:
        if event.kind not in CHOICES and judgement.ranks is None:
            continue
        pairs = [pair for pair in combinations(range(len(texts)), 2) if _compares(judgement, texts, *pair)]
        strength = stated_strength(judgement) if len(texts) == 2 else None
        for pair in pairs:
            first, second = sorted(pair, key=texts.__getitem__)
            subject = PairKey(event.prompt_id, texts[first], texts[second], judgement.criterion)
            yield Vote(event, subject, _share(judgement, first, second), 1 / len(pairs), strength)


def equal_ties(event: Event) -> Iterator[Vote]:
    """The ties between two answers of the same text. They count in agreement figures; there is nothing to train on."""
    texts = [response.text for response in event.responses]
    if event.kind == "comparison" and len(texts) == 2 and texts[0] == texts[1]:
        for judgement in event.judgements:
            if _share(judgement, 0, 1) == 0.5:
                yield Vote(event, PairKey(event.prompt_id, texts[0], texts[1], judgement.criterion), 0.5, 1.0)


def stated_strength(judgement: AnyJudgement) -> float | None:
    """The strength of a preference as a share of `strength_max` (1 if that is not stated), 0 to 1.

    None if it is not stated, or larger than 1 without a `strength_max`.
    """
    if judgement.strength is None:
        return None
    if judgement.strength_max is None:
        return abs(judgement.strength) if abs(judgement.strength) <= 1 else None
    return min(abs(judgement.strength) / judgement.strength_max, 1.0) if judgement.strength_max > 0 else None


def last_votes(votes: Iterable[Vote]) -> list[Vote]:
    """Each person's last vote on each pair; `votes` must be in chronological order, and so is the result."""
    last: dict[tuple[str, PairKey], Vote] = {}
    for vote in votes:
        last.pop((vote.person, vote.pair), None)  # otherwise the vote would keep the first one's position
        last[vote.person, vote.pair] = vote
    return list(last.values())


def equal_answers(event: Event) -> int:
    """Number of pairs of answers with the same text: there is nothing to vote on."""
    if event.kind not in CHOICES:
        return 0
    texts = [response.text for response in event.responses]
    return sum(first == second for first, second in combinations(texts, 2))


def _compares(judgement: AnyJudgement, texts: Sequence[str], first: int, second: int) -> bool:
    """Whether the judgement covers both answers, and they differ: a ranking may leave answers out."""
    if texts[first] == texts[second]:
        return False
    if judgement.outcome != "prefer":
        return True
    if judgement.ranks is None or None in (judgement.ranks[first], judgement.ranks[second]):
        return False
    return BEST_ONLY not in judgement.tags or judgement.ranks[first] != judgement.ranks[second]


def _share(judgement: AnyJudgement, first: int, second: int) -> float | None:
    if judgement.outcome in _TIES:
        return 0.5
    if judgement.outcome != "prefer" or judgement.ranks is None:
        return None
    above, below = judgement.ranks[first], judgement.ranks[second]
    if above is None or below is None:
        return None
    return 0.5 if above == below else float(above < below)
