"""Ratings and thumbs as marks: what one person thinks of one answer, from 0 (worst) to 1 (best)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from feedback.items import is_item
from feedback.stored import AnyJudgement, Event
from feedback.votes import person

UP, DOWN = ("up", "good", "yes"), ("down", "bad", "no")
"""Labels of thumbs up and thumbs down that have no score."""

KINDS = ("rating", "binary", "critique", "label")
"""Kinds of events that judge each answer by itself."""

Scale = tuple[float, float]
"""The lowest and the highest possible score."""


class Mark(NamedTuple):
    """One person's latest rating of, or thumb on, one answer under one criterion."""

    form: Literal["rating", "thumb"]
    event: Event
    criterion: str
    answer: str
    value: float
    """0 (worst, or a thumb down) to 1 (best, or a thumb up)."""
    position: int
    """Position of the event among all, in chronological order."""

    @property
    def item(self) -> tuple[str, str, str, str]:
        """Marks are compared only if this is equal: form, prompt, item (`feedback.items`) and criterion."""
        group = self.event.prompt_group if is_item(self.event.prompt_group) else ""
        return self.form, self.event.prompt_id, group, self.criterion


def marks(ordered: Sequence[Event]) -> list[Mark]:
    """The last mark of each person on each answer, in the order of the events (chronological)."""
    scales = _observed_scales(ordered)
    last: dict[tuple[object, ...], Mark] = {}
    for position, event in enumerate(ordered):
        for mark in _of(event, position, scales):
            key = (person(event), mark.item, mark.answer)
            last.pop(key, None)  # otherwise the mark would keep the first one's position
            last[key] = mark
    return list(last.values())


def thumb(judgement: AnyJudgement, ix: int = 0) -> float | None:
    """1 for a thumb up, 0 for a thumb down, by the score of the answer or by the label; None if there is neither.

    With a scale, a score above its middle is a thumb up, and the middle itself is none; without one, a score above 0.
    """
    score, scale = score_of(judgement, ix), stated_scale(judgement)
    if score is not None and scale is not None:
        middle = sum(scale) / 2
        return None if score == middle else float(score > middle)
    if score is not None:
        return float(score > 0)
    return by_label(judgement)


def by_label(judgement: AnyJudgement) -> float | None:
    """1 for the label of a thumb up, 0 for that of a thumb down; None for any other."""
    label = (judgement.label or "").strip().casefold()
    return float(label in UP) if label in (*UP, *DOWN) else None


def stated_scale(judgement: AnyJudgement) -> Scale | None:
    """The scale of a judgement; None if it states none."""
    low, high = judgement.scale_min, judgement.scale_max
    return (low, high) if low is not None and high is not None and low < high else None


def score_of(judgement: AnyJudgement, ix: int) -> float | None:
    """The score of one answer."""
    return judgement.scores[ix] if judgement.scores else None


def stated(event: Event, judgement: AnyJudgement, ix: int) -> tuple[Literal["rating", "thumb"], float] | None:
    """What a judgement states about one answer: a rating, on its own scale, or a thumb, 0 or 1; None if neither."""
    score = score_of(judgement, ix)
    if event.kind != "binary" and score is not None:
        return "rating", score
    liked = thumb(judgement, ix)
    return ("thumb", liked) if liked is not None and (judgement.scores or len(event.responses) == 1) else None


def share(score: float, scale: Scale) -> float:
    """A score as a share of its scale, 0 (worst) to 1 (best)."""
    return min(max((score - scale[0]) / (scale[1] - scale[0]), 0.0), 1.0)


def _of(event: Event, position: int, scales: Mapping[tuple[str, str], Scale]) -> Iterator[Mark]:
    if event.kind not in KINDS:
        return
    texts = [response.text for response in event.responses]
    for judgement in event.judgements:
        for ix, text in enumerate(texts):
            form, value = stated(event, judgement, ix) or (None, 0.0)
            if form == "rating":
                scale = stated_scale(judgement) or scales[event.source, judgement.criterion]
                if scale[0] < scale[1]:
                    yield Mark(form, event, judgement.criterion, text, share(value, scale), position)
            elif form == "thumb":
                yield Mark(form, event, judgement.criterion, text, value, position)


def _observed_scales(events: Iterable[Event]) -> dict[tuple[str, str], Scale]:
    """Source and criterion → the lowest and the highest score: the scale of ratings that state none."""
    scales: dict[tuple[str, str], Scale] = {}
    for event in events:
        for judgement in event.judgements if event.kind in KINDS else ():
            for score in judgement.scores or ():
                if score is not None:
                    low, high = scales.get((event.source, judgement.criterion), (score, score))
                    scales[event.source, judgement.criterion] = (min(low, score), max(high, score))
    return scales
