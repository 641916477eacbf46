"""Whose events an event may supersede: the giver's own. Superseding those of other people takes full trust."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from feedback.schema import FeedbackEvent
from feedback.trust import Trust

_UNKNOWN = ("", "unknown")
"""Annotators that are not known: two events of theirs may be of two people."""
_PEOPLE = ("human", "user")


class Giver(NamedTuple):
    """Who gave an event."""

    annotator: str
    type: str


def givers(events: Iterable[FeedbackEvent]) -> dict[str, Giver]:
    """Id → who gave the event; the first event with an id counts."""
    by_id: dict[str, Giver] = {}
    for event in events:
        by_id.setdefault(event.feedback_id, giver(event))
    return by_id


def giver(event: FeedbackEvent) -> Giver:
    """Who gave an event."""
    return Giver(event.annotator_id, event.annotator_type)


def claims(event: FeedbackEvent, trust: Trust) -> bool:
    """Whether the event supersedes another one and that has to be checked."""
    return event.supersedes is not None and trust is not Trust.FULL


def problem(event: FeedbackEvent, trust: Trust, known: Mapping[str, Giver]) -> str | None:
    """Why the event may not supersede the one that it names; None if it may, or names none.

    A person may also supersede the judgement of a model in what an operator hands in.

    Args:
        event: the event.
        trust: in the record that it was read from.
        known: id of an event that is stored or waits → who gave it.
    """
    if event.supersedes is None or trust is Trust.FULL:
        return None
    target = known.get(event.supersedes)
    if target is None:
        return (
            f"supersedes is {event.supersedes}, which is neither stored nor waits; hand in that event first, or with "
            "this one, or leave supersedes out"
        )
    own = target.annotator == event.annotator_id and event.annotator_id.strip() not in _UNKNOWN
    of_a_model = trust is Trust.OPERATOR and target.type not in _PEOPLE and event.annotator_type in _PEOPLE
    if own or of_a_model:
        return None
    return (
        f"supersedes is {event.supersedes}, an event of another annotator, and a giver supersedes only own events; "
        "leave supersedes out, or hand the file in with `rounds feedback import FILE --trust` (a source: trust: true)"
    )
