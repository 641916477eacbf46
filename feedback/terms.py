"""Licences and consents of feedback: what holds where several state them, what keeps an event out of training, and
what the events that were used for training state."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from pydantic import Field

from core.settings import BaseSettings
from feedback.stored import Event, StoredEvent
from feedback.votes import effective

UNSTATED = "none-stated"
"""The licence or consent of an event that states none."""

Forbids = Callable[[str, str], bool]
"""Whether this licence or this consent keeps an event that states them out of training."""


def anything_goes(licence: str, consent: str) -> bool:
    """Nothing keeps feedback out of training."""
    return False


class SourceTermsSettings(BaseSettings):
    """What the operator states of the records of one source that state none."""

    licence: str = Field(UNSTATED, min_length=1)
    """Licence (an SPDX name); `own`: it belongs to whoever runs the workspace."""
    consent: str = Field(UNSTATED, min_length=1)
    """Consent of those who gave the feedback."""


class ServerTerms(NamedTuple):
    """What a server states of the feedback that it takes."""

    licence: str
    consent: str
    forbids: Forbids

    def licence_of(self, *stated: str | None) -> str:
        """The licence of a record, for which these were stated, the most specific one first."""
        return self._strictest((*stated, self.licence), lambda licence: self.forbids(licence, UNSTATED))

    def consent_of(self, *stated: str | None) -> str:
        """The consent of a record, for which these were stated, the most specific one first."""
        return self._strictest((*stated, self.consent), lambda consent: self.forbids(UNSTATED, consent))

    @staticmethod
    def _strictest(stated: Iterable[str | None], is_forbidden: Callable[[str], bool]) -> str:
        """One that keeps the record out of training, if there is one; else the first."""
        given = [each for each in stated if each and each.strip() and each != UNSTATED]
        return next((each for each in given if is_forbidden(each)), given[0] if given else UNSTATED)


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


class Permitted(NamedTuple):
    """All events, of which those that their licence or consent keeps out of training have the status `quarantined`."""

    events: list[StoredEvent]
    left_out: UsageTerms
    """What those state that were active."""
    size: int
    """Number of those that were active."""


def with_stated(events: Iterable[StoredEvent], stated: Mapping[str, SourceTermsSettings]) -> list[StoredEvent]:
    """The events, of which those that state no licence or consent have what is stated of their source."""

    def applied(event: StoredEvent) -> StoredEvent:
        licence, consent = _terms_of(event, stated)
        return event._replace(licence=licence, consent=consent)

    return [applied(event) if event.source in stated else event for event in events]


def permitted(events: Sequence[StoredEvent], forbids: Forbids) -> Permitted:
    """Keep events that state what is not allowed, and those that they supersede, from being used."""
    ids = forbidden(events, forbids)
    left_out = [event for event in events if event.feedback_id in ids and event.status == "active"]
    kept = [event._replace(status="quarantined") if event.feedback_id in ids else event for event in events]
    return Permitted(kept, _counted(left_out), len(left_out)) if ids else Permitted(list(events), _counted([]), 0)


def forbidden(
    events: Sequence[Event], forbids: Forbids, stated: Mapping[str, SourceTermsSettings] | None = None
) -> set[str]:
    """The ids of events that state what is not allowed, or of whose source it is stated.

    What such an event supersedes is not used either: the person said something else later.
    """
    superseded = {event.feedback_id: event.supersedes for event in events}
    found: set[str] = set()
    for event in events:
        each: str | None = event.feedback_id if forbids(*_terms_of(event, stated or {})) else None
        while each is not None and each not in found:
            found.add(each)
            each = superseded.get(each)
    return found


def usage_terms(events: Iterable[Event], trained_on: Collection[str], prompts: Collection[str]) -> UsageTerms:
    """The licences and consents of the events that were used for training.

    An event was used if its id is in `trained_on` (the `feedback_ids` of the rows), or if it counts and its prompt id
    is in `prompts`: a policy that is trained to answer a prompt learns from that prompt.
    """
    candidates = list(events)
    prompted = {event.feedback_id for event in effective(candidates) if event.prompt_id in prompts}
    used = [event for event in candidates if event.feedback_id in prompted or event.feedback_id in trained_on]
    return _counted(used)


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


def _counted(events: Sequence[Event]) -> UsageTerms:
    return UsageTerms(
        licences=dict(sorted(Counter(event.licence for event in events).items())),
        consents=dict(sorted(Counter(event.consent for event in events).items())),
    )


def _terms_of(event: Event, stated: Mapping[str, SourceTermsSettings]) -> tuple[str, str]:
    """Licence and consent of an event: its own, else those that are stated of its source."""
    terms = stated.get(event.source)
    if terms is None:
        return event.licence, event.consent
    return (
        terms.licence if event.licence == UNSTATED else event.licence,
        terms.consent if event.consent == UNSTATED else event.consent,
    )
