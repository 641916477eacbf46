"""Checks that an event is usable, beyond the types of its fields. Sources run them before they yield an event."""

import json
from collections.abc import Iterator

from feedback.contradictions import contradictions
from feedback.limits import count_problem
from feedback.schema import FeedbackEvent, Judgement
from feedback.transcripts import is_one

_TRANSCRIPT = "begins with another conversation, a transcript"


def problem(event: FeedbackEvent) -> str | None:
    """The first problem of an event, with the name of the field; None if the event can be used."""
    return next(_problems(event), None)


def rank_problem(judgements: object) -> str | None:
    """The first rank of the raw judgements that is no whole number from 1; None if there is none.

    Checked before validation, which takes `true` for 1.
    """
    for ix, judgement in enumerate(judgements if isinstance(judgements, list) else ()):
        ranks = judgement.get("ranks") if isinstance(judgement, dict) else None
        for position, rank in enumerate(ranks if isinstance(ranks, list) else ()):
            if rank is not None and not _is_rank(rank):
                return (
                    f"judgements[{ix}].ranks[{position}] is {json.dumps(rank)}, expected a whole number from 1, the "
                    "best; values of which the higher is better belong into `scores`, or state their direction in the "
                    "map of the source `table`"
                )
    return None


def _is_rank(rank: object) -> bool:
    return isinstance(rank, int | float) and not isinstance(rank, bool) and rank >= 1 and rank == int(rank)


def _problems(event: FeedbackEvent) -> Iterator[str]:
    if reason := count_problem(event):  # first: other checks compare each answer with each other
        yield reason
    yield from _text_problems(event)
    for ix, judgement in enumerate(event.judgements):
        yield from _scale_problems(judgement, f"judgements[{ix}]")
    if event.kind in ("comparison", "ranking"):
        yield from _choice_problems(event)
    if event.kind == "correction":
        parents = [response.parent_ix for response in event.responses if response.parent_ix is not None]
        if not parents or max(parents) >= len(event.responses):
            yield "responses: expected one with the parent_ix of the response that was edited"
    yield from contradictions(event)


def _text_problems(event: FeedbackEvent) -> Iterator[str]:
    for ix, turn in enumerate(event.prompt):
        if not turn.content.strip():
            yield f"prompt[{ix}] is empty, expected text"
        if turn.content[:1] == "\n" and is_one(turn.content):
            yield f"prompt[{ix}] {_TRANSCRIPT}, expected the text of one turn"
    if event.prompt[-1].role == "assistant":
        yield "prompt ends with an assistant turn, expected one of the user"
    for ix, response in enumerate(event.responses):
        if not response.text.strip():
            yield f"responses[{ix}] is empty, expected text"
        if response.text[:1] == "\n" and is_one(response.text, whole=False):
            yield f"responses[{ix}] {_TRANSCRIPT}, expected the text of one turn"
        if response.messages[-1].role != "assistant":
            yield f"responses[{ix}] ends with another turn, expected one of the assistant"


def _scale_problems(judgement: Judgement, name: str) -> Iterator[str]:
    """The scale and the scores on it. The higher score is the better one, so a scale cannot be turned round."""
    low, high = judgement.scale_min, judgement.scale_max
    if low is not None and high is not None and low >= high:
        yield (
            f"{name}: scale_min is {low:g} and scale_max {high:g}, expected scale_min below scale_max; if the lowest "
            "score is the best, read the file with a map that has `best: lowest`"
        )
    for ix, score in enumerate(judgement.scores or ()):
        if score is not None and ((low is not None and score < low) or (high is not None and score > high)):
            yield f"{name}.scores[{ix}] is {score:g}, expected a number {_scale(low, high)}, as its scale says"


def _scale(low: float | None, high: float | None) -> str:
    bounds = [f"from {low:g}"] if low is not None else []
    return " ".join([*bounds, *([f"to {high:g}"] if high is not None else [])])


def _choice_problems(event: FeedbackEvent) -> Iterator[str]:
    count = len(event.responses)
    if count < 2 or (event.kind == "comparison" and count > 2):
        yield f"responses: a {event.kind} with {count}, expected two in a comparison, two or more in a ranking"
    if not event.judgements:
        yield "judgements is empty, expected at least one"
    for ix, judgement in enumerate(event.judgements):
        if judgement.outcome == "prefer" and _ranked(judgement) < 2:
            yield f"judgements[{ix}].ranks: expected at least two ranks in a preference"


def _ranked(judgement: Judgement) -> int:
    return sum(rank is not None for rank in judgement.ranks or ())
