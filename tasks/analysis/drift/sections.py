"""Prompts, votes and answers as tables, before and now, with every column that may drift.

Rows of one prompt group are not independent, so each group contributes one row.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from feedback.schema import FeedbackEvent
from feedback.votes import Vote, chronological, last_votes, votes

Rows = Sequence[Mapping[str, Any]]


class Section(NamedTuple):
    """One table at two times. A value that was not recorded is None."""

    name: str
    before: Rows
    now: Rows
    texts: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


def prompts(before: Sequence[FeedbackEvent], now: Sequence[FeedbackEvent]) -> Section:
    """Prompts, one event per prompt group."""
    return Section(
        "prompts",
        [_prompt(event) for event in before],
        [_prompt(event) for event in now],
        texts=("prompt",),
        numbers=("words", "turns"),
        categories=("kind", "source", "flags", "licence", "consent"),
    )


def ballots(before: Iterable[FeedbackEvent], now: Iterable[FeedbackEvent], criterion: str) -> Section:
    """Votes under one criterion, one vote per prompt group."""
    return Section(
        "votes",
        _votes(before, criterion),
        _votes(now, criterion),
        numbers=("seconds", "words_more"),
        categories=("preferred", "annotator", "annotator_type", "source", "guideline"),
    )


def answers(before: Rows, now: Rows) -> Section:
    """Answers of the champion (before) and the candidate (now), one per prompt group."""
    return Section(
        "answers",
        before,
        now,
        texts=("answer",),
        numbers=("tokens", "reward", "judge", "kl"),
        categories=("ended",),
    )


def _prompt(event: FeedbackEvent) -> dict[str, Any]:
    text = event.prompt[-1].content
    return {
        "prompt": text,
        "words": len(text.split()),
        "turns": len(event.prompt),
        "kind": event.kind,
        "source": event.source,
        "flags": ", ".join(sorted(event.flags)) or "none",
        "licence": event.licence,
        "consent": event.consent,
    }


def _votes(events: Iterable[FeedbackEvent], criterion: str) -> Rows:
    chosen = (vote for event in chronological(events) for vote in votes(event) if vote.pair.criterion == criterion)
    first: dict[str, Vote] = {}
    for vote in last_votes(chosen):
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
    """The side on which the preferred answer was shown, to detect position bias."""
    if vote.share is None:
        return "unknown"
    if vote.share == 0.5:
        return "neither"
    if vote.event.shown_order is None:
        return "side not recorded"
    texts = [response.text for response in vote.event.responses]
    shown = [texts[index] for index in vote.event.shown_order]
    first, second = shown.index(vote.pair.first), shown.index(vote.pair.second)
    return "left" if (first < second) == (vote.share == 1) else "right"
