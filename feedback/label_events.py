"""What an annotator said of a label task → events in the canonical form, and the events that withdraw them.

A judgement is one event. An edit that was made beside a comparison is another one, a correction of the edited answer.
Events on gold items and repeats are stored with the status `quarantined` and a flag of that name: they measure the
annotator, and train nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from core.errors import BadFeedback
from feedback import canonical
from feedback.label_items import SOURCE
from feedback.label_roles import Role
from feedback.labels import STRENGTHS, LabelJudgement
from feedback.schema import FeedbackEvent, event_id
from feedback.sides import ABSTENTIONS, SIDES, TIES
from feedback.unicode_forms import same_text

EDIT = "/edit"
"""Ends the `source_id` of an edit that was made beside a comparison."""

ITEM, GOLD = "label_item", "gold"
"""Keys of `extra`: the item, and its right judgement."""

_SAID: Mapping[str, tuple[str, ...]] = {
    "comparison": ("preferred", "strength", "correction", "corrected"),
    "binary": ("thumb",),
    "rating": ("rating",),
    "critique": ("critique",),
    "correction": ("correction",),
    "demonstration": ("demonstration",),
}
"""Kind → what can be said; the first is needed."""

_EVERY = tuple(dict.fromkeys(name for names in _SAID.values() for name in names))
WITH_CRITERIA = ("comparison", "binary", "rating")
THUMBS = {"up": 1.0, "down": 0.0}


class Subject(NamedTuple):
    """What was judged, by whom, and how it was shown."""

    record: Mapping[str, Any]
    """`LabelItem.record`."""
    queue: str
    item: str
    role: Role
    annotator: str
    shown_order: tuple[int, ...]
    """Positions of the answers in the record, from left to right."""
    criteria: tuple[str, ...]
    scale: tuple[int, int]
    """Worst and best rating."""
    stored: int
    """Number of events on it before."""
    licence: str
    consent: str
    """Of the judgement, where the item states none."""

    @property
    def kind(self) -> str:
        """The kind of the item."""
        return str(self.record["kind"])

    def source_id(self, number: int) -> str:
        """The own id of one of the events on it."""
        base = f"{self.queue}/{self.item}"
        return f"{base}@{number}" if number else base

    def event_id(self, number: int, ending: str = "") -> str:
        """The id of one of the events on it."""
        return event_id(SOURCE, self.source_id(number) + ending, self.annotator)


def check(kind: str, judgement: LabelJudgement, criteria: Sequence[str], scale: tuple[int, int]) -> None:
    """Check that a judgement fits the kind of a task.

    Raises:
        BadFeedback: it does not; names the field, and what is expected.
    """
    given = [name for name in _EVERY if getattr(judgement, name) is not None]
    if judgement.outcome is not None:
        _one_of("outcome", judgement.outcome, ABSTENTIONS)
        if given or judgement.criteria:
            raise BadFeedback(
                f"outcome is {judgement.outcome!r}, and {', '.join(given) or 'criteria'} say more, expected one of them"
            )
        return
    if foreign := [name for name in given if name not in _SAID[kind]]:
        raise BadFeedback(f"{foreign[0]} is not asked of a {kind}, expected {_SAID[kind][0]}, or outcome")
    if _SAID[kind][0] not in given:
        raise BadFeedback(f"{_SAID[kind][0]} is missing, expected it, or outcome: skip or cannot_judge")
    _check_values(kind, judgement, scale)
    if judgement.criteria and kind not in WITH_CRITERIA:
        raise BadFeedback(f"criteria are not asked of a {kind}, expected none")
    if unknown := [name for name in judgement.criteria if name not in criteria]:
        raise BadFeedback(f"criteria has {unknown[0][:40]!r}, expected {', '.join(criteria) or 'none'}")


def events(subject: Subject, judgement: LabelJudgement) -> list[FeedbackEvent]:
    """The event of a judgement, and that of an edit beside it; none for a demonstration that was skipped.

    Raises:
        BadFeedback: the judgement does not fit, or the event cannot be used.
    """
    check(subject.kind, judgement, subject.criteria, subject.scale)
    if judgement.outcome is not None and not subject.record["responses"]:
        return []
    main = _event(subject, subject.stored, "", judgement, _main(subject, judgement))
    if subject.kind != "comparison" or judgement.correction is None:
        return [main]
    edit = _correction(subject, _edited(subject, judgement), judgement.correction)
    return [main, _event(subject, subject.stored, EDIT, judgement, edit)]


def judged(subject: Subject, judgement: LabelJudgement) -> list[dict[str, Any]]:
    """The judgements of a comparison, a thumb or a rating: the overall one, then one for each criterion."""
    overall = _judgement(subject, judgement.outcome or getattr(judgement, _SAID[subject.kind][0]))
    if judgement.strength is not None and "ranks" in overall:
        overall |= {"strength": judgement.strength, "strength_max": STRENGTHS}
    if judgement.reason:
        overall["rationale"] = judgement.reason
    others = [{"criterion": name, **_judgement(subject, said)} for name, said in judgement.criteria.items()]
    return [overall, *others]


def vote(subject: Subject, judgement: LabelJudgement) -> dict[str, Any]:
    """The fields that a judgement adds to a pair of a round.

    Raises:
        BadFeedback: the judgement does not fit.
    """
    check(subject.kind, judgement, subject.criteria, subject.scale)
    if judgement.correction is not None:
        raise BadFeedback("correction is not asked here: the round evaluates these answers, expected none")
    said = {
        "judgements": judged(subject, judgement),
        "duration_ms": judgement.duration_ms,
        "guideline_version": judgement.guideline_version,
        "licence": subject.licence,
        "consent": subject.consent,
    }
    return {name: value for name, value in said.items() if value is not None}


def withdrawals(subject: Subject, last: Sequence[FeedbackEvent]) -> list[FeedbackEvent]:
    """The events that withdraw those of the last judgement: they supersede them, and say nothing of the answers."""
    return [_withdrawal(subject, event) for event in last]


def is_abstention(event: FeedbackEvent) -> bool:
    """Whether an event says nothing of its answers."""
    return bool(event.judgements) and all(each.outcome in ABSTENTIONS.values() for each in event.judgements)


def _main(subject: Subject, judgement: LabelJudgement) -> dict[str, Any]:
    """Kind, answers and judgements of the event of a judgement."""
    answers, kind = subject.record["responses"], subject.kind
    if kind == "comparison":
        shown = {"shown_order": list(subject.shown_order)}
        return {"kind": kind, "responses": answers, "judgements": judged(subject, judgement), **shown}
    if judgement.outcome is not None:
        rationale = {"rationale": judgement.reason} if judgement.reason else {}
        said = [{"outcome": ABSTENTIONS[judgement.outcome], **rationale}]
        return {"kind": "label", "responses": answers, "judgements": said}
    if kind in WITH_CRITERIA:
        return {"kind": kind, "responses": answers, "judgements": judged(subject, judgement)}
    if judgement.critique is not None:
        return {"kind": kind, "responses": answers, "judgements": [{"rationale": judgement.critique}]}
    if judgement.correction is not None:
        return _correction(subject, answers[0], judgement.correction)
    return {"kind": kind, "responses": [_text(judgement.demonstration or "", "human")], "judgements": []}


def _correction(subject: Subject, answer: Mapping[str, Any], text: str) -> dict[str, Any]:
    if same_text(answer["messages"][-1]["content"], text):
        raise BadFeedback("correction is the answer as it was, expected an edited one")
    edited = {**_text(text, "human_edit"), "parent_ix": 0}
    return {"kind": "correction", "responses": [dict(answer), edited], "judgements": []}


def _edited(subject: Subject, judgement: LabelJudgement) -> Mapping[str, Any]:
    """The answer of a comparison that was edited."""
    side = judgement.corrected or judgement.preferred or ""
    if side not in SIDES:
        raise BadFeedback("corrected is missing, expected left or right: no answer is preferred")
    answer: Mapping[str, Any] = subject.record["responses"][subject.shown_order[SIDES[side]]]
    return answer


def _event(
    subject: Subject, number: int, ending: str, judgement: LabelJudgement, said: Mapping[str, Any]
) -> FeedbackEvent:
    context: dict[str, Any] = {
        "duration_ms": judgement.duration_ms,
        "guideline_version": judgement.guideline_version,
        "extra": _extra(subject) | _reason(said, judgement),
    }
    if number and not ending:
        context["supersedes"] = subject.event_id(number - 1)
    return _made(subject, subject.source_id(number) + ending, {**said, **context})


def _withdrawal(subject: Subject, last: FeedbackEvent) -> FeedbackEvent:
    ending = EDIT if last.source_id.endswith(EDIT) else ""
    answers = [response.model_dump(mode="json", exclude_none=True) for response in last.responses]
    said = {
        "kind": "comparison" if last.kind == "comparison" else "label",
        "responses": answers if last.kind == "comparison" else answers[:1],
        "judgements": [{"outcome": "skip"}],
        "supersedes": last.feedback_id,
        "extra": _extra(subject),
    }
    return _made(subject, subject.source_id(subject.stored) + ending, said)


def _made(subject: Subject, source_id: str, fields: Mapping[str, Any]) -> FeedbackEvent:
    item = subject.record
    record = {
        "prompt": item["prompt"],
        "annotator_id": subject.annotator,
        "source_id": source_id,
        "batch_id": subject.queue.partition("#")[0],
        "licence": _first_stated(item.get("licence"), subject.licence),
        "consent": _first_stated(item.get("consent"), subject.consent),
        "flags": [*item.get("flags", ()), *([] if subject.role == "ordinary" else [subject.role])],
        "status": "active" if subject.role == "ordinary" else "quarantined",
        **fields,
    }
    return canonical.event(record, {"source": SOURCE})


def _extra(subject: Subject) -> dict[str, Any]:
    gold = {GOLD: subject.record[GOLD]} if subject.role == "gold" else {}
    return {ITEM: subject.item, **gold}


def _reason(said: Mapping[str, Any], judgement: LabelJudgement) -> dict[str, Any]:
    """The reason, if no judgement has it."""
    has_it = any(each.get("rationale") == judgement.reason for each in said["judgements"])
    return {} if has_it or not judgement.reason else {"reason": judgement.reason}


def _judgement(subject: Subject, said: str | int) -> dict[str, Any]:
    """What was said by one criterion, in the order of the record."""
    if said in ABSTENTIONS:
        return {"outcome": ABSTENTIONS[str(said)]}
    if subject.kind == "rating":
        low, high = subject.scale
        return {"scores": [float(said)], "scale_min": low, "scale_max": high}
    if subject.kind == "binary":
        return {"scores": [THUMBS[str(said)]], "scale_min": 0, "scale_max": 1}
    if said in TIES:
        return {"outcome": TIES[str(said)]}
    best = subject.shown_order[SIDES[str(said)]]
    return {"ranks": [1 if place == best else 2 for place in range(2)]}


def _check_values(kind: str, judgement: LabelJudgement, scale: tuple[int, int]) -> None:
    """The values of the overall question and of the criteria."""
    overall = {_SAID[kind][0]: getattr(judgement, _SAID[kind][0])}
    criteria = {f"criteria.{name}": said for name, said in judgement.criteria.items() if said != "cannot_judge"}
    for name, said in {**overall, **criteria}.items():
        if kind == "rating":
            low, high = scale
            if not isinstance(said, int) or isinstance(said, bool) or not low <= said <= high:
                raise BadFeedback(f"{name} is {said!r:.40}, expected a whole number from {low} to {high}")
        elif kind in ("comparison", "binary"):
            _one_of(name, said, THUMBS if kind == "binary" else {**SIDES, **TIES})
        elif not str(said).strip():
            raise BadFeedback(f"{name} is empty, expected text")
    if judgement.strength is not None and judgement.preferred not in SIDES:
        raise BadFeedback("strength is that of a preference, expected preferred: left or right")
    if judgement.corrected is not None:
        _one_of("corrected", judgement.corrected, SIDES)


def _one_of(name: str, said: object, known: Mapping[str, object]) -> None:
    if said not in known:
        raise BadFeedback(f"{name} is {said!r:.40}, expected {', '.join(known)}")


def _first_stated(*values: str | None) -> str:
    return next((value for value in values if value and value != "none-stated"), "none-stated")


def _text(text: str, origin: str) -> dict[str, Any]:
    return {"messages": [{"role": "assistant", "content": text}], "origin": origin}
