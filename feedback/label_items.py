"""Items of a labelling queue, made from answers and from records: what is judged, and the right judgement of gold.

A record that is to be judged needs `prompt` and `responses`, as in the canonical form; any known form will do, whose
judgements are left out. A gold record is feedback in any form, whose judgement is the right one.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from core.errors import BadFeedback
from feedback import canonical
from feedback.labels import LabelKind
from feedback.schema import FeedbackEvent, Judgement, Prompt, Response
from feedback.unicode_forms import same_text

SOURCE = "label"
"""The `source` of events from the label page."""

UNSTATED = "none-stated"

_JUDGED = ("comparison", "binary", "rating")
"""Kinds whose judgement can be compared with a right one."""
_NOT_ITEMS = ("judgements", "kind", "shown_order", "source_id", "feedback_id", "annotator_id", "supersedes", "status")
"""Fields of a record that are not about what is judged."""
_SHARED = ("licence", "consent", "flags")


class LabelItem(NamedTuple):
    """One thing to be judged."""

    item: str
    """Its id: the same prompt and answers of one kind have one id."""
    record: dict[str, Any]
    """Kind, prompt, responses, licence, consent, flags and asker, as JSON values; `gold`, the right judgement of a
    gold item."""


def of_answers(
    kind: LabelKind,
    prompt: Prompt,
    responses: Sequence[Response],
    consent: str = UNSTATED,
    asker: str | None = None,
) -> Iterator[LabelItem]:
    """The items of some answers to a prompt: every two that differ, each, or the prompt alone, by the kind.

    Args:
        kind: what is asked.
        prompt: the prompt.
        responses: the answers; empty ones and ones that are equal to the other are left out.
        consent: of the asker.
        asker: who asked the server: forgetting the person removes the item.
    """
    fields = {"consent": consent} | ({"asker": asker} if asker else {})
    if kind == "demonstration":
        yield _item(kind, prompt, (), fields)
        return
    responses = [response for response in responses if response.text.strip()]
    groups = combinations(responses, 2) if kind == "comparison" else ((response,) for response in responses)
    for group in groups:
        if len(group) == 1 or not same_text(group[0].text, group[1].text):
            yield _item(kind, prompt, group, fields)


def of_record(record: Mapping[str, Any], kind: LabelKind) -> list[LabelItem]:
    """The items of a record that is to be judged.

    Raises:
        BadFeedback: it cannot be used, or has too few answers for the kind.
    """
    event = _read(record)
    answers = () if _is_prompt(record) else event.responses
    shared = {"licence": event.licence, "consent": event.consent, "flags": list(event.flags)}
    made = [item._replace(record=item.record | shared) for item in of_answers(kind, event.prompt, answers)]
    if not made:
        wanted = "two different answers" if kind == "comparison" else "an answer"
        raise BadFeedback(f"the record has too few answers for the kind {kind}, expected {wanted} in `responses`")
    return made


def of_gold(record: Mapping[str, Any]) -> LabelItem:
    """The gold item of a record of feedback, of its kind: its overall judgement is the right one.

    Raises:
        BadFeedback: it cannot be used, or its judgement has no side, thumb or rating.
    """
    event = canonical.event(record, {"source": SOURCE, "source_id": "gold"})
    right = next((judgement for judgement in event.judgements if judgement.criterion == "overall"), None)
    if event.kind not in _JUDGED or right is None or (right.outcome == "prefer" and not (right.ranks or right.scores)):
        raise BadFeedback(
            f"a gold item is a comparison, a thumb or a rating with an overall judgement, and this is a {event.kind}, "
            "expected such as {prompt, chosen, rejected}"
        )
    fields = {"licence": event.licence, "consent": event.consent, "flags": list(event.flags), "gold": _stated(right)}
    kind: LabelKind = "comparison" if event.kind == "comparison" else "binary" if event.kind == "binary" else "rating"
    return _item(kind, event.prompt, event.responses, fields)


def _read(record: Mapping[str, Any]) -> FeedbackEvent:
    """The record as an event without judgements; a prompt alone gets an answer that nobody sees."""
    defaults = {"source": SOURCE, "source_id": "item"}
    stated = {name: value for name, value in record.items() if name not in _NOT_ITEMS}
    if "responses" in record:
        return canonical.event({**stated, "kind": "label"}, defaults)
    if _is_prompt(record):
        return canonical.event({**stated, "kind": "label", "responses": ["-"]}, defaults)
    return canonical.event(record, defaults)


def _is_prompt(record: Mapping[str, Any]) -> bool:
    """Whether a record has a prompt and no answers in any form."""
    return "prompt" in record and not record.keys() - {"prompt", *_SHARED, *_NOT_ITEMS}


def _item(kind: LabelKind, prompt: Prompt, responses: Sequence[Response], fields: Mapping[str, Any]) -> LabelItem:
    turns = [turn.model_dump() for turn in prompt]
    texts = sorted(response.text for response in responses)
    name = hashlib.sha256(json.dumps([kind, turns, texts]).encode()).hexdigest()[:16]
    answers = [response.model_dump(mode="json", exclude_none=True) for response in responses]
    return LabelItem(name, {"kind": kind, "prompt": turns, "responses": answers, **fields})


def _stated(right: Judgement) -> dict[str, Any]:
    kept = right.model_dump(mode="json", include={"outcome", "ranks", "scores", "scale_min", "scale_max"})
    return {name: value for name, value in kept.items() if value is not None}
