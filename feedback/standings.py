"""What one event says of each of its answers, derived from the votes and marks that training derives from it."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from feedback.forms import correction_votes
from feedback.marks import Mark, marks, score_of, stated_scale
from feedback.stored import Event
from feedback.votes import CHOICES, Vote, equal_ties, votes

OVERALL = "overall"

Word = Literal["WINNER", "loser", "tie", "not ranked", "good", "bad", "answer"]


class Standings(NamedTuple):
    """The standing of each answer by one criterion."""

    criterion: str | None
    """`overall` if the event has it, else its first criterion; None if nothing is judged."""
    words: list[str]
    """One `Word` per answer, or a rating such as `rating 4 of 1 to 5`."""


def standings(event: Event) -> Standings:
    """The standings of the answers of an event.

    An answer that beats others and loses to none is a `WINNER`, also if it shares the first rank.
    """
    cast = [*correction_votes(event), *votes(event), *equal_ties(event)]
    criteria = [judgement.criterion for judgement in event.judgements] + [vote.pair.criterion for vote in cast]
    if not criteria:
        return Standings(None, ["answer" for _ in event.responses])
    criterion = OVERALL if OVERALL in criteria else criteria[0]
    by_criterion = [vote for vote in cast if vote.pair.criterion == criterion]
    if by_criterion or event.kind in CHOICES:
        return Standings(criterion, [_by_votes(response.text, by_criterion) for response in event.responses])
    given = {mark.answer: mark for mark in marks([event]) if mark.criterion == criterion}
    texts = [answer.text for answer in event.responses]
    words = [_by_mark(event, criterion, ix, given.get(text)) for ix, text in enumerate(texts)]
    return Standings(criterion, words)


def _by_votes(text: str, cast: list[Vote]) -> Word:
    results = list(_results(text, cast))
    if not results:
        return "not ranked"
    if min(results) < 0.5:
        return "loser"
    return "WINNER" if max(results) > 0.5 else "tie"


def _results(text: str, cast: list[Vote]) -> Iterator[float]:
    """1 for each answer that is worse than this one, .5 for each that is equal, 0 for each that is better."""
    for vote in cast:
        if vote.share is not None and text == vote.pair.first:
            yield vote.share
        elif vote.share is not None and text == vote.pair.second:
            yield 1 - vote.share


def _by_mark(event: Event, criterion: str, ix: int, mark: Mark | None) -> str:
    judgement = next(judgement for judgement in event.judgements if judgement.criterion == criterion)
    score, scale = score_of(judgement, ix), stated_scale(judgement)
    if mark and mark.form == "thumb":
        return "good" if mark.value else "bad"
    if score is None or event.kind == "binary":
        return "answer"
    return f"rating {score:g}" + (f" of {scale[0]:g} to {scale[1]:g}" if scale else "")
