"""The waiting feedback that a round can learn from: only that counts towards the start of a round."""

from collections.abc import Sequence

from feedback import forms
from feedback.marks import KINDS
from feedback.schema import FeedbackEvent
from feedback.stored import EventsWith
from feedback.votes import chronological, effective, last_votes

_TAUGHT = ("demonstration", "correction")
"""Kinds of events whose answers people wrote or edited: they are demonstrations."""


def usable(waiting: Sequence[FeedbackEvent], stored: EventsWith) -> list[FeedbackEvent]:
    """The events that become a demonstration or part of a preference pair, in the given order.

    Left out are events that are withdrawn, quarantined or superseded by another one that waits, abstentions, votes that
    the same person has repeated, and thumbs and ratings that no other one makes a pair with.

    Args:
        waiting: events that no round has ingested, each id once, in the order of their arrival.
        stored: finds the ingested events with given prompts: a thumb may make a pair with an earlier one.
    """
    marked = {event.prompt_id for event in waiting if event.kind in KINDS}
    earlier = stored(marked) if marked else ()
    counted = effective([*chronological(earlier), *chronological(waiting)])
    votes = [vote for vote in last_votes(forms.cast(counted)) if vote.share is not None]
    used = {event.feedback_id for vote in votes if vote.pair.first != vote.pair.second for event in vote.events}
    used |= {event.feedback_id for event in counted if event.kind in _TAUGHT}
    return [event for event in waiting if event.feedback_id in used]
