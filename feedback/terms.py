"""Under which licences and consents the feedback stands that reached training."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

from feedback.schema import FeedbackEvent
from feedback.votes import standing


class UsageTerms(NamedTuple):
    """Events that models learn from, counted by what their givers allowed."""

    licences: dict[str, int]
    consents: dict[str, int]


def terms(events: Iterable[FeedbackEvent], learned: Collection[str], prompts: Collection[str]) -> UsageTerms:
    """The terms of the events that reached training.

    Those are the events whose ids are in `learned`, the rows' `feedback_ids`, and those that count and whose prompt id
    is in `prompts`: a policy that answers somebody's prompt learns from it.
    """
    found = list(events)
    counting = {event.feedback_id for event in standing(found) if event.prompt_id in prompts}
    reached = [event for event in found if event.feedback_id in counting or event.feedback_id in learned]
    return UsageTerms(
        licences=dict(sorted(Counter(event.licence for event in reached).items())),
        consents=dict(sorted(Counter(event.consent for event in reached).items())),
    )


def by_source(events: Iterable[FeedbackEvent]) -> dict[str, dict[str, str | int]]:
    """Source → how many events came from it, and under which licences and consents: all that are stated."""
    given: defaultdict[str, list[FeedbackEvent]] = defaultdict(list)
    for event in events:
        given[event.source].append(event)
    return {
        source: {
            "events": len(own),
            "licence": ", ".join(sorted({event.licence for event in own})),
            "consent": ", ".join(sorted({event.consent for event in own})),
        }
        for source, own in given.items()
    }
