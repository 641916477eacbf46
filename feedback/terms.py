"""Licences and consents of the feedback that was used for training."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

from feedback.stored import Event
from feedback.votes import effective


class UsageTerms(NamedTuple):
    """Number of events used for training, by licence and by consent."""

    licences: dict[str, int]
    consents: dict[str, int]


class Origin(NamedTuple):
    """What came from one source, and the terms that it stated."""

    events: int
    licence: str
    """All that are stated, joined by commas."""
    consent: str


def usage_terms(events: Iterable[Event], trained_on: Collection[str], prompts: Collection[str]) -> UsageTerms:
    """The licences and consents of the events that were used for training.

    An event was used if its id is in `trained_on` (the `feedback_ids` of the rows), or if it counts and its prompt id
    is in `prompts`: a policy that is trained to answer a prompt learns from that prompt.
    """
    candidates = list(events)
    prompted = {event.feedback_id for event in effective(candidates) if event.prompt_id in prompts}
    used = [event for event in candidates if event.feedback_id in prompted or event.feedback_id in trained_on]
    return UsageTerms(
        licences=dict(sorted(Counter(event.licence for event in used).items())),
        consents=dict(sorted(Counter(event.consent for event in used).items())),
    )


def terms_by_source(events: Iterable[Event]) -> dict[str, Origin]:
    """Source → number of its events, and all licences and consents that they state."""
    by_source: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_source[event.source].append(event)
    return {
        source: Origin(
            events=len(own),
            licence=", ".join(sorted({event.licence for event in own})),
            consent=", ".join(sorted({event.consent for event in own})),
        )
        for source, own in by_source.items()
    }
