"""Judgements that contradict themselves or each other: such a record would count for both of two answers, or by chance
for one of them.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from feedback.marks import KINDS, by_label, share, stated, stated_scale, thumb
from feedback.schema import FeedbackEvent, Judgement
from feedback.unicode_forms import normalise
from feedback.votes import CHOICES

_TIES = ("tie", "tie_both_good", "tie_both_bad")

Named = tuple[str, Judgement]
"""A judgement and its name in the record."""


class _Order(NamedTuple):
    """What one part of an event states about the order of its answers."""

    name: str
    signs: Mapping[tuple[int, int], int]
    """Positions of two answers → 1 if the first is better, -1 if the second is, 0 for a tie."""
    decides_ties: bool
    """Whether equal values mean a tie. Equal scores do not: a preference may be finer than the scores."""

    def against(self, other: "_Order") -> tuple[int, int] | None:
        """The first two answers that the other order has differently."""
        both = self.decides_ties and other.decides_ties
        shared = self.signs.keys() & other.signs.keys()
        opposite = (
            pair
            for pair in sorted(shared)
            if self.signs[pair] != other.signs[pair] and (both or self.signs[pair] * other.signs[pair])
        )
        return next(opposite, None)


def contradictions(event: FeedbackEvent) -> Iterator[str]:
    """Every contradiction in the judgements of an event, with the name of the field."""
    by_criterion: defaultdict[str, list[Named]] = defaultdict(list)
    for ix, judgement in enumerate(event.judgements):
        yield from _of_one(event, judgement, f"judgements[{ix}]")
    if event.kind in CHOICES and len(event.judgements) == 1 and not event.judgements[0].scores:
        return  # the most frequent form, in short
    for ix, judgement in enumerate(event.judgements):
        by_criterion[judgement.criterion].append((f"judgements[{ix}]", judgement))
    for criterion, judgements in by_criterion.items():
        if (
            len(judgements) > 1
            and event.kind in CHOICES
            and len({_verdict(judgement) for _, judgement in judgements}) > 1
        ):
            yield f"{judgements[0][0]}: two different verdicts by the criterion {criterion!r}, expected one"
        if len(judgements) > 1 or judgements[0][1].scores or event.kind == "correction":
            yield from _opposite_orders(event, judgements)
        if event.kind in KINDS and (len(judgements) > 1 or len(event.responses) > 1):
            yield from _different_marks(event, judgements)


def _of_one(event: FeedbackEvent, judgement: Judgement, name: str) -> Iterator[str]:
    if judgement.outcome in _TIES and len(_stated(judgement.ranks)) > 1:
        yield f"{name}: outcome {judgement.outcome} with ranks that name a winner, expected one of the two"
    if event.kind in KINDS and len(_stated(judgement.scores)) > 1 and _verdict(judgement) == ("tie",):
        yield f"{name}: a tie with scores that name a winner, expected one of the two"
    if judgement.outcome == "prefer" and _prefers_one_of_equals(event, judgement):
        yield f"{name}: one of two answers with the same text is the winner, expected different texts or equal ranks"
    if event.kind == "binary" and judgement.label is not None and _is_against_its_scores(judgement):
        yield f"{name}: the label is {judgement.label!r} and the score means the opposite, expected one of the two"


def _prefers_one_of_equals(event: FeedbackEvent, judgement: Judgement) -> bool:
    """Whether two answers that are equal after normalisation have different ranks."""
    ranks: dict[str, int] = {}
    ranked = zip(judgement.ranks or (), _forms(event), strict=False)
    return any(rank is not None and ranks.setdefault(form, rank) != rank for rank, form in ranked)


def _forms(event: FeedbackEvent) -> Iterator[str]:
    """The texts of the answers in the form in which they are compared."""
    return (normalise(response.text) for response in event.responses)


def _is_against_its_scores(judgement: Judgement) -> bool:
    label = by_label(judgement)
    scored = [thumb(judgement, ix) for ix, score in enumerate(judgement.scores or ()) if score is not None]
    thumbs = {value for value in scored if value is not None}
    return label is not None and bool(thumbs) and label not in thumbs


def _opposite_orders(event: FeedbackEvent, judgements: Sequence[Named]) -> Iterator[str]:
    for first, second in combinations(_orders(event, judgements), 2):
        if pair := first.against(second):
            answers = " and ".join(f"responses[{ix}]" for ix in pair)
            yield (
                f"{first.name} and {second.name} order {answers} differently, expected the same order: the best has "
                "the lowest rank and the highest score"
            )


def _orders(event: FeedbackEvent, judgements: Sequence[Named]) -> list[_Order]:
    """What the judgements by one criterion state, and the correction itself, which is a vote by each criterion."""
    orders = [_Order("the correction", _edits(event), False)] if event.kind == "correction" else []
    for name, judgement in judgements:
        if judgement.outcome == "prefer" and judgement.ranks:
            ranks = [None if rank is None else -rank for rank in judgement.ranks]
            orders.append(_Order(f"{name}.ranks", _signs(ranks), True))
        if judgement.scores:
            orders.append(_Order(f"{name}.scores", _signs(judgement.scores), False))
    return orders


def _edits(event: FeedbackEvent) -> dict[tuple[int, int], int]:
    edited = [(ix, response.parent_ix) for ix, response in enumerate(event.responses) if response.parent_ix is not None]
    return {(min(pair), max(pair)): 1 if pair[0] < pair[1] else -1 for pair in edited}


def _signs(values: Sequence[float | None]) -> dict[tuple[int, int], int]:
    """The sign for each two answers that have values, of which the higher is better."""
    numbers = [(ix, value) for ix, value in enumerate(values) if value is not None]
    return {
        (ix, other): (value > other_value) - (value < other_value)
        for (ix, value), (other, other_value) in combinations(numbers, 2)
    }


def _different_marks(event: FeedbackEvent, judgements: Sequence[Named]) -> Iterator[str]:
    """Two ratings of, or thumbs on, one answer or two answers with the same text."""
    marks = [
        (ix, mark[0], _on_scale(judgement, *mark))
        for _, judgement in judgements
        for ix in range(len(event.responses))
        if (mark := stated(event, judgement, ix))
    ]
    texts = list(_forms(event)) if len(marks) > 1 else []
    first: dict[tuple[str, str], tuple[int, float]] = {}
    for other, form, value in marks if texts else ():
        ix, first_value = first.setdefault((form, texts[other]), (other, value))
        if value != first_value:
            answers = f"responses[{ix}]" if ix == other else f"responses[{ix}] and [{other}], the same text,"
            yield f"{answers} with two marks by the criterion {judgements[0][1].criterion!r}, expected one"


def _on_scale(judgement: Judgement, form: str, value: float) -> float:
    scale = stated_scale(judgement)
    return share(value, scale) if form == "rating" and scale else value


def _verdict(judgement: Judgement) -> tuple[object, ...]:
    """What a judgement decides: the order of the answers, a tie, or an abstention."""
    if judgement.outcome in _TIES:
        return ("tie",)
    if judgement.outcome != "prefer" or judgement.ranks is None:
        return (judgement.outcome,)
    order = sorted({rank for rank in judgement.ranks if rank is not None})
    if len(order) == 1 and None not in judgement.ranks:
        return ("tie",)
    return tuple(None if rank is None else order.index(rank) for rank in judgement.ranks)


def _stated(values: Sequence[float | None] | None) -> set[float]:
    return {value for value in values or () if value is not None}
