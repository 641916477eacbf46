"""Prompts, votes and answers as tables, before and now: every column that may drift, for a report that shows them all.

Rows of one prompt group are one piece of evidence, so that of each group there is one row.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from feedback.schema import FeedbackEvent
from feedback.votes import Vote, chronological, last_votes, votes

Rows = Sequence[Mapping[str, Any]]


class Section(NamedTuple):
    """One table at two times. A value that nobody noted is None."""

    name: str
    before: Rows
    now: Rows
    texts: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


def prompts(before: Sequence[FeedbackEvent], now: Sequence[FeedbackEvent]) -> Section:
    """What people asked, one event of each prompt group."""
    return Section(
        "prompts",
        [_prompt(event) for event in before],
        [_prompt(event) for event in now],
        texts=("prompt",),
        numbers=("words", "turns"),
        categories=("kind", "source", "flags", "licence", "consent"),
    )


def ballots(before: Iterable[FeedbackEvent], now: Iterable[FeedbackEvent], criterion: str) -> Section:
    """How people voted under one criterion, one vote of each prompt group."""
    return Section(
        "votes",
        _votes(before, criterion),
        _votes(now, criterion),
        numbers=("seconds", "words_more"),
        categories=("preferred", "annotator", "annotator_type", "source", "guideline"),
    )


def answers(before: Rows, now: Rows) -> Section:
    """What the champion and the candidate answered, one answer of each prompt group."""
    return Section(
        "answers",
        before,
        now,
        texts=("answer",),
        numbers=("tokens", "reward", "judge", "kl"),
        categories=("ended",),
    )


def _prompt(event: FeedbackEvent) -> dict[str, Any]:
    said = event.prompt[-1].content
    return {
        "prompt": said,
        "words": len(said.split()),
        "turns": len(event.prompt),
        "kind": event.kind,
        "source": event.source,
        "flags": ", ".join(sorted(event.flags)) or "none",
        "licence": event.licence,
        "consent": event.consent,
    }


def _votes(events: Iterable[FeedbackEvent], criterion: str) -> Rows:
    cast = (vote for event in chronological(events) for vote in votes(event) if vote.pair.criterion == criterion)
    first: dict[str, Vote] = {}
    for vote in last_votes(cast):
        first.setdefault(vote.event.prompt_group, vote)
    return [_vote(vote) for vote in first.values()]


def _vote(vote: Vote) -> dict[str, Any]:
    event = vote.event
    more = len(vote.pair.first.split()) - len(vote.pair.second.split())
    return {
        "preferred": _preferred(vote),
        "words_more": None if vote.share in (None, 0.5) else more if vote.share == 1 else -more,
        "seconds": event.duration_ms / 1000 if event.duration_ms else None,
        "annotator": event.annotator_id,
        "annotator_type": event.annotator_type,
        "source": event.source,
        "guideline": event.guideline_version or "none",
    }


def _preferred(vote: Vote) -> str:
    """The side of the preferred answer as it was shown: people may come to like one side."""
    if vote.share is None:
        return "not said"
    if vote.share == 0.5:
        return "neither"
    if vote.event.shown_order is None:
        return "side not noted"
    texts = [response.text for response in vote.event.responses]
    shown = [texts[place] for place in vote.event.shown_order]
    first, second = shown.index(vote.pair.first), shown.index(vote.pair.second)
    return "left" if (first < second) == (vote.share == 1) else "right"
