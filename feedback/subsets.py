"""Subsets for leave-one-out attribution: all feedback by one annotator, from one source, or of one feedback batch.

`subsets` lists them, and `leave_out` gives the feedback without one of them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args

from feedback.rows import PreferenceRow
from feedback.stored import AnyEvent, Event, StoredEvent

By = Literal["annotator", "source", "batch"]
BY: tuple[By, ...] = get_args(By)


class FeedbackSubset(NamedTuple):
    """The feedback of one annotator, source or feedback batch."""

    by: By
    name: str
    """The annotator's id, the source's name, or the number of the round that ingested the batch."""
    pairs: int
    """Number of training pairs with a vote from this subset."""

    def __str__(self) -> str:
        return f"{self.by} {self.name}"


def subsets(
    events: Iterable[Event], rows: Sequence[PreferenceRow], by: Iterable[By] = BY, min_pairs: int = 1
) -> list[FeedbackSubset]:
    """The subsets with a vote on at least `min_pairs` of the training pairs `rows`, largest first.

    Two kinds are skipped: the annotator `unknown`, which is not one person, and a subset with a vote on every pair,
    because leaving it out could leave nothing to train on.
    """
    by_id = {event.feedback_id: event for event in events}
    counts: Counter[tuple[By, str]] = Counter()
    for row in rows:
        counts.update({(kind, _name(by_id[identity], kind)) for kind in by for identity in row.feedback_ids})
    eligible = [
        FeedbackSubset(kind, name, pairs)
        for (kind, name), pairs in counts.items()
        if min_pairs <= pairs < len(rows) and (kind, name) != ("annotator", "unknown")
    ]
    return sorted(eligible, key=lambda subset: (-subset.pairs, BY.index(subset.by), subset.name))


def leave_out(events: Iterable[AnyEvent], subset: FeedbackSubset) -> list[AnyEvent]:
    """All events, with those of the subset marked as withdrawn: an event that one of them superseded counts again.

    They are marked and not removed because a prompt has the group of its first event, withdrawn or not. So no prompt
    moves to another split.
    """
    return [_withdrawn(event) if _name(event, subset.by) == subset.name else event for event in events]


def _withdrawn(event: AnyEvent) -> AnyEvent:
    if isinstance(event, StoredEvent):
        return event._replace(status="withdrawn")
    return event.model_copy(update={"status": "withdrawn"})


def _name(event: Event, by: By) -> str:
    names: dict[By, str] = {"annotator": event.annotator_id, "source": event.source, "batch": str(event.round)}
    return names[by]
