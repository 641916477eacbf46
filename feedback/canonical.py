"""Raw records to canonical events: missing fields are filled in, and an error names the field that is wrong.

Three forms are read:

    {"kind": "comparison", "prompt": …, "responses": […], "judgements": […], …}     the canonical form
    {"prompt": …, "chosen": …, "rejected": …}                                       a preference
    {"prompt": …, "completion": …}                                                  a demonstration

A prompt or an answer is a string or a list of `{role, content}`. In the two short forms, other keys that are fields
of `FeedbackEvent` set those fields, and the remaining keys are kept in `extra`.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from core.errors import BadFeedback
from feedback.checks import problem
from feedback.schema import FeedbackEvent, Message, event_id, prompt_id, response_id

_TURNS = TypeAdapter(tuple[Message, ...])
_SHORT_FORM_FIELDS = FeedbackEvent.model_fields.keys() - {"prompt", "responses", "judgements", "extra"}
REASONS = {
    "extra_forbidden": "is not a field of the canonical form; put it into `extra`",
    "missing": "is missing, expected a value",
    "string_too_short": "is empty, expected text",
    "string_type": "is not a string, expected text",
    "string_unicode": "contains a lone surrogate, expected characters of Unicode",
    "too_short": "is empty, expected at least one entry",
}
"""pydantic's type of error → the reason, without the field."""


def event(record: Mapping[str, Any], defaults: Mapping[str, Any]) -> FeedbackEvent:
    """A record as an event; `defaults` (`source`, `source_id`, `round`, …) fill the fields that it does not have.

    A record with a `source_id` of its own is identified by source and `source_id`; any other by the default
    `source_id` alone, so that it is recognised when its file is renamed.

    Raises:
        BadFeedback: the record cannot be used; the message names the field and the problem.
    """
    fields = {**defaults, **_full_form(record)}
    where = str(fields["source"]) if "source_id" in record else ""
    annotator = str(fields.get("annotator_id", "unknown"))
    fields.setdefault("feedback_id", event_id(where, str(fields["source_id"]), annotator))
    fields.setdefault("prompt_group", fields["prompt_id"])
    try:
        validated = FeedbackEvent.model_validate(fields)
    except ValidationError as error:
        raise BadFeedback(_reason(error)) from error
    if reason := problem(validated):
        raise BadFeedback(reason)
    return validated


def _full_form(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record as fields of an event: texts are validated, ids of prompt and answers are filled in."""
    prompt = _turns(_required(record, "prompt"), "user", "prompt")
    identity = prompt_id(prompt)
    if record.get("prompt_id", identity) != identity:
        raise BadFeedback(
            "prompt_id is not the expected hash of the normalised prompt; leave it out to have it filled in"
        )
    texts = {"prompt": prompt, "prompt_id": identity}
    if "kind" not in record and ("chosen" in record or "rejected" in record):
        return _preference(record, identity) | texts
    if "kind" not in record and "completion" in record:
        return _demonstration(record, identity) | texts
    answers = _required(record, "responses")
    if not isinstance(answers, list):
        raise BadFeedback("responses is not a list, expected a list of answers")
    responses = [_response(answer, f"responses[{ix}]", identity) for ix, answer in enumerate(answers)]
    return {**record, **texts, "responses": responses}


def _preference(record: Mapping[str, Any], prompt: str) -> dict[str, Any]:
    chosen, rejected = (_response(_required(record, name), name, prompt) for name in ("chosen", "rejected"))
    if chosen["messages"] == rejected["messages"]:
        raise BadFeedback("chosen equals rejected, expected two different answers")
    fields = _others(record, {"prompt", "chosen", "rejected"})
    return fields | {"kind": "comparison", "responses": [chosen, rejected], "judgements": [{"ranks": [1, 2]}]}


def _demonstration(record: Mapping[str, Any], prompt: str) -> dict[str, Any]:
    if "label" in record:
        raise BadFeedback(
            "label: expected none in a demonstration; write a judged answer in the canonical form, kind binary"
        )
    completion = _response(record["completion"], "completion", prompt)
    return _others(record, {"prompt", "completion"}) | {"kind": "demonstration", "responses": [completion]}


def _others(record: Mapping[str, Any], form: set[str]) -> dict[str, Any]:
    """The other keys of a record in a short form: fields of an event, and `extra` for the rest."""
    rest = {name: value for name, value in record.items() if name not in form}
    fields = {name: value for name, value in rest.items() if name in _SHORT_FORM_FIELDS}
    return fields | {"extra": {name: value for name, value in rest.items() if name not in fields}}


def _response(answer: object, field: str, prompt: str) -> dict[str, Any]:
    fields = answer if isinstance(answer, dict) else {"messages": answer}
    turns = _turns(_required(fields, "messages", f"{field}."), "assistant", field)
    return {"response_id": response_id(prompt, turns[-1].content), **fields, "messages": turns}


def _turns(value: object, role: Literal["user", "assistant"], field: str) -> tuple[Message, ...]:
    if isinstance(value, str):
        value = [{"role": role, "content": value}] if value.strip() else []
    if not isinstance(value, list):
        raise BadFeedback(f"{field} is neither a string nor a list of messages, expected one of the two")
    if not value:
        raise BadFeedback(f"{field} is empty, expected text")
    try:
        return _TURNS.validate_python(value)
    except ValidationError as error:
        raise BadFeedback(_reason(error, field)) from error


def _required(record: Mapping[str, Any], name: str, path: str = "") -> Any:
    if name not in record:
        raise BadFeedback(f"{path}{name} is missing, expected one of the forms in docs/feedback.md")
    return record[name]


def _reason(error: ValidationError, path: str = "") -> str:
    """The first error, as a sentence that begins with the field."""
    first = error.errors(include_url=False)[0]
    for step in first["loc"]:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    if first["type"] == "value_error":
        return f"{path}: {first['ctx']['error']}" if path else str(first["ctx"]["error"])
    return f"{path} {REASONS.get(first['type'], 'is invalid, ' + first['msg'].replace('Input should be', 'expected'))}"
