"""Whose votes can be left out: every annotator, source and batch, and the feedback as it would be without one."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args

from feedback.rows import PreferenceRow
from feedback.schema import FeedbackEvent

By = Literal["annotator", "source", "batch"]
BY: tuple[By, ...] = get_args(By)


class FeedbackSubset(NamedTuple):
    """Somebody, or something, whose votes a reward model learned from."""

    by: By
    name: str
    """An annotator's id, a source's name, or the number of the round that took the batch in."""
    pairs: int
    """Training pairs with a vote of theirs."""

    def __str__(self) -> str:
        return f"{self.by} {self.name}"


def suspects(
    events: Iterable[FeedbackEvent], learned: Sequence[PreferenceRow], by: Iterable[By] = BY, least: int = 1
) -> list[FeedbackSubset]:
    """Those with a vote on at least `least` of the pairs that were learned from, the most pairs first.

    Unknown annotators are nobody in particular, and whoever voted on every pair leaves nothing to learn from: both are
    left out.
    """
    given = {event.feedback_id: event for event in events}
    counts: Counter[tuple[By, str]] = Counter()
    for row in learned:
        counts.update({(kind, _name(given[identity], kind)) for kind in by for identity in row.feedback_ids})
    found = [
        FeedbackSubset(kind, name, pairs) for (kind, name), pairs in counts.items() if least <= pairs < len(learned)
    ]
    known = [suspect for suspect in found if (suspect.by, suspect.name) != ("annotator", "unknown")]
    return sorted(known, key=lambda suspect: (-suspect.pairs, BY.index(suspect.by), suspect.name))


def without(events: Iterable[FeedbackEvent], suspect: FeedbackSubset) -> list[FeedbackEvent]:
    """The events as if the suspect had taken theirs back: what one of them had superseded counts again.

    They are marked, not dropped: the group of a prompt is that of its first event, whatever became of that, so that no
    prompt changes from one split to another.
    """
    return [
        event.model_copy(update={"status": "withdrawn"}) if _name(event, suspect.by) == suspect.name else event
        for event in events
    ]


def _name(event: FeedbackEvent, by: By) -> str:
    names: dict[By, str] = {"annotator": event.annotator_id, "source": event.source, "batch": str(event.round)}
    return names[by]
