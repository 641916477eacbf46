"""How well annotators label: how often they are right on gold items, and how often they agree with themselves.

Both are computed from events alone: those on gold items have the right judgement in `extra`, and a repeat has the item
of the judgement before it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from feedback.label_events import EDIT, GOLD, ITEM, is_abstention
from feedback.label_items import SOURCE
from feedback.marks import score_of, share, stated_scale
from feedback.schema import FeedbackEvent, Judgement
from feedback.votes import votes

OVERALL = "overall"

NEAR = 0.25
"""How far apart two ratings may be that count as equal, as a share of the scale: one star of five."""


class LabelQuality(NamedTuple):
    """One annotator's judgements on the label page."""

    annotator: str
    judged: int
    """Judgements that count, gold and repeats left out, and abstentions too."""
    gold: int
    """Judgements of gold items."""
    right: int
    """Those of them that are right."""
    repeats: int
    """Judgements of items that the annotator had judged before."""
    equal: int
    """Those of them that say the same."""


def qualities(events: Iterable[FeedbackEvent]) -> list[LabelQuality]:
    """All annotators of the label page, by name."""
    own = [event for event in events if event.source == SOURCE and not event.source_id.endswith(EDIT)]
    replaced = {event.supersedes for event in own}
    last = [event for event in own if event.feedback_id not in replaced and not is_abstention(event)]
    judged = {_key(event): event for event in last if _is(event, None)}
    by_name: dict[str, LabelQuality] = {}
    for event in last:
        name = event.annotator_id
        sums = by_name.setdefault(name, LabelQuality(name, 0, 0, 0, 0, 0))
        by_name[name] = _counted(sums, event, judged.get(_key(event)))
    return [by_name[name] for name in sorted(by_name)]


def _counted(sums: LabelQuality, event: FeedbackEvent, before: FeedbackEvent | None) -> LabelQuality:
    if _is(event, "gold"):
        right = event.model_copy(update={"judgements": (Judgement.model_validate(event.extra[GOLD]),)})
        return sums._replace(gold=sums.gold + 1, right=sums.right + _agree(event, right))
    if _is(event, "repeat"):
        if before is None:
            return sums
        return sums._replace(repeats=sums.repeats + 1, equal=sums.equal + _agree(event, before))
    return sums._replace(judged=sums.judged + 1)


def _agree(one: FeedbackEvent, other: FeedbackEvent) -> bool:
    """Whether two judgements of one item say the same: the same winner or a tie, the same thumb, or near ratings."""
    first, second = _value(one), _value(other)
    if first is None or second is None:
        return False
    return abs(first - second) <= (NEAR if one.kind == "rating" else 0)


def _value(event: FeedbackEvent) -> float | None:
    """The overall judgement as a number, 0 to 1; None if there is none."""
    overall = next((judgement for judgement in event.judgements if judgement.criterion == OVERALL), None)
    if overall is None:
        return None
    if event.kind == "comparison":
        return next((vote.share for vote in votes(event) if vote.pair.criterion == OVERALL), None)
    score, scale = score_of(overall, 0), stated_scale(overall)
    return None if score is None or scale is None else share(score, scale)


def _is(event: FeedbackEvent, role: str | None) -> bool:
    """Whether an event is on a gold item or a repeat; None for neither."""
    found = next((flag for flag in ("gold", "repeat") if flag in event.flags), None)
    return (found if event.status == "quarantined" else None) == role


def _key(event: FeedbackEvent) -> tuple[str, str]:
    return event.annotator_id, str(event.extra.get(ITEM))
