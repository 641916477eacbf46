"""Raw records to canonical events: missing fields are filled in, and an error names the field that is wrong.

A record with `responses` is in the canonical form; any other is recognised by its columns (`feedback.layouts`):

    {"kind": "comparison", "prompt": …, "responses": […], "judgements": […], …}     the canonical form
    {"prompt": …, "chosen": …, "rejected": …}                                       a preference
    {"prompt": …, "completion": …}                                                  a demonstration

A prompt or an answer is a string or a list of `{role, content}`. In forms other than the canonical one, keys that are
fields of `FeedbackEvent` set those fields, unless their value is of another meaning; all other keys are kept in
`extra`. Null means that a value is not stated.
"""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import ValidationError

from core.errors import BadFeedback
from feedback import exports, json_text, layouts, trust
from feedback.checks import problem, rank_problem
from feedback.faults import reason_of
from feedback.layouts import Form, Layout
from feedback.limits import DEEPEST, MOST_COLUMNS, is_too_deep
from feedback.schema import (
    SCHEMA_VERSION,
    FeedbackEvent,
    Message,
    distinct_id,
    event_id,
    prompt_id,
    response_id,
    version_1_id,
)
from feedback.trust import Trust
from feedback.turns import conversations, turns
from feedback.unicode_forms import same_text

_FIELDS = FeedbackEvent.model_fields
_SHORT_FORM_FIELDS = _FIELDS.keys() - {"prompt", "responses", "judgements", "extra", "kind", "prompt_id"}
_MAY_BE_BLANK = ("created_at", "ingested_at", "annotator_id")
_NAMES = ("source", "source_id", "annotator_id", "annotator_version", "batch_id", "guideline_version", "supersedes")
"""Fields with ids and versions, which some tools write as whole numbers."""
_OBJECTS = ("annotator_groups", "extra")
"""Fields that are objects, and JSON text in tables."""
_CLOSED = {name: get_args(_FIELDS[name].annotation) for name in ("status", "annotator_type")}
"""Fields with few valid values: another value is one of another tool."""
_TEXTS = ("source", "licence", "consent", "split", "batch_id", "guideline_version")
"""Fields that other tools also have, some with values that are no texts."""
UNKNOWN = "unknown"
"""The `annotator_id` of a person who is not known."""


def event(record: Mapping[str, Any], defaults: Mapping[str, Any], level: Trust = Trust.OPERATOR) -> FeedbackEvent:
    """A record as an event; `defaults` (`source`, `source_id`, `round`, …) fill the fields that it does not have.

    A record with a `source_id` of its own is identified by source and `source_id`; any other by the default
    `source_id` alone, so that it is recognised when its file is renamed. Fields that the record may not state
    (`feedback.trust`) are kept in `extra`; a record from outside that states some has an id that no trusted one has.

    Raises:
        BadFeedback: the record cannot be used; the message names the field and the problem.
    """
    if len(record) > MOST_COLUMNS:
        raise BadFeedback(f"the record has {len(record):,} columns, expected at most {MOST_COLUMNS:,}")
    read = _fields(_stated(record), level)
    read |= {"extra": _without_ignored(read["extra"], "prompt_group", read["prompt_id"])}
    fields = {**defaults, **read}
    if "feedback_id" not in fields:
        identity = _identity(record, read, fields, level)
        fields |= {"feedback_id": identity, "extra": _without_ignored(read["extra"], "feedback_id", identity)}
    fields.setdefault("prompt_group", fields["prompt_id"])
    if _whole(fields.get("schema_version")) is not None:
        fields["schema_version"] = SCHEMA_VERSION  # whichever version wrote the record, this one makes the ids
    fields.setdefault("annotator_groups", {})  # pydantic would copy the default
    try:
        validated = FeedbackEvent.model_validate(fields)
    except ValidationError as error:
        raise BadFeedback(reason_of(error)) from error
    if validated.extra and is_too_deep(validated.extra):
        raise BadFeedback(f"extra has nesting that is too deep, expected at most {DEEPEST} levels")
    if reason := problem(validated):
        raise BadFeedback(reason)
    return validated


def _identity(record: Mapping[str, Any], read: Mapping[str, Any], fields: Mapping[str, Any], level: Trust) -> str:
    """The id of an event that may not state one, or does not."""
    where = str(fields["source"]) if "source_id" in read else ""
    if level is Trust.OUTSIDE:
        extra = read["extra"]
        where = trust.UNTRUSTED_SOURCE if isinstance(extra, dict) and trust.IGNORED in extra else ""
        return event_id(where, str(fields["source_id"]), UNKNOWN)
    return event_id(where, str(fields["source_id"]), _annotator(record, fields))


def _annotator(record: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    """The annotator as part of an id: a blank name is kept as it is, so that ids stay what they were."""
    given = record.get("annotator_id")
    return given if isinstance(given, str) else str(fields.get("annotator_id", UNKNOWN))


def _stated(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record without values that are not stated, under our names, and with ids as texts."""
    fields = {name: value for name, value in record.items() if value is not None or name not in _FIELDS}
    for name in _MAY_BE_BLANK:
        if isinstance(value := fields.get(name), str) and not value.strip():
            del fields[name]
    if "licence" not in fields and (licence := fields.pop("license", None)) is not None:
        fields["licence"] = licence
    fields |= {name: _decoded(fields[name]) for name in _OBJECTS if name in fields}
    if (duration := fields.get("duration_ms")) is not None:
        fields["duration_ms"] = _rounded(duration)
    return fields | {name: _as_text(fields[name]) for name in _NAMES if name in fields}


def _decoded(value: object) -> object:
    """An object that is written as JSON text, as in the columns of an exported Parquet file; anything else as it is."""
    if not isinstance(value, str) or not value.startswith("{"):
        return value
    try:
        return json_text.loads(value)
    except (ValueError, RecursionError):
        return value


def _as_text(value: object) -> object:
    """A whole number as text; any other value as it is."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _rounded(value: object) -> object:
    """A number as a whole number; any other value as it is."""
    try:
        return round(float(value)) if isinstance(value, int | float | str) and not isinstance(value, bool) else value
    except (ValueError, OverflowError):
        return value


def _fields(record: dict[str, Any], level: Trust) -> dict[str, Any]:
    """The record as fields of an event: texts are validated, ids of prompt and answers are filled in."""
    _check_version(record)
    exports.check(record)
    if "responses" in record:
        return _canonical(record, level)
    layout = layouts.recognise(record)
    form = layout.read(record)
    fields, extra = _others(record, layout, form, level)
    read = _read(form, fields, extra)
    _check_different(form, [response["messages"][0].content for response in read["responses"]])
    return fields | read


def _check_different(form: Form, texts: Sequence[str]) -> None:
    """The message of a form with two answers names them; any other is checked with the event."""
    if len(texts) == 2 and form.judgements:
        ranks = form.judgements[0].get("ranks")
        if ranks and ranks[0] != ranks[1] and same_text(*texts):
            raise BadFeedback(f"{' equals '.join(form.answers)}, expected two different answers")


def _check_version(record: Mapping[str, Any]) -> None:
    version = _whole(record.get("schema_version"))
    if version is not None and version > SCHEMA_VERSION:
        raise BadFeedback(
            f"schema_version is {version}, expected at most {SCHEMA_VERSION}; update Rounds to read newer records"
        )


def _whole(value: object) -> int | None:
    """A whole number, however it is written: 2, 2.0, "2"; None for any other value."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return int(number) if number.is_integer() else None


def _canonical(record: dict[str, Any], level: Trust) -> dict[str, Any]:
    answers = record["responses"]
    if not isinstance(answers, list):
        raise BadFeedback("responses is not a list, expected a list of answers")
    if not answers:
        raise BadFeedback("responses is empty, expected at least one entry")
    if "prompt" not in record:
        raise BadFeedback("prompt is missing, expected one of the forms in docs/feedback.md")
    judgements = record.get("judgements", [])
    if reason := rank_problem(judgements):
        raise BadFeedback(reason)
    answers, authors = trust.without_authors(answers, level)
    named = {f"responses[{ix}]": answer for ix, answer in enumerate(answers)}
    form = Form(record.get("kind", ""), record["prompt"], named, judgements)
    stated = {name: value for name, value in record.items() if name not in ("responses", "judgements")}
    fields, ignored = trust.limited(stated, level)
    read = _read(form, fields, _with_ignored(fields.get("extra", {}), ignored | authors))
    return fields | (read if "kind" in record else {name: read[name] for name in read if name != "kind"})


def _read(form: Form, fields: Mapping[str, Any], extra: Any) -> dict[str, Any]:
    """Prompt, answers and judgements as fields; what the turns have beside role and content is added to `extra`."""
    answers = {name: _answer(answer, name) for name, answer in form.answers.items()}
    messages = {name: answer["messages"] for name, answer in answers.items()}
    prompt, last, kept = conversations(form.prompt, messages)
    identity = prompt_id(prompt)
    if "prompt_id" in fields:
        _check_prompt_id(fields["prompt_id"], prompt, form.prompt)
    answered = identity if all(turn.content.isascii() for turn in prompt) else version_1_id(prompt)
    responses = [
        {"response_id": response_id(answered, last[name].content), **answer, "messages": (last[name],)}
        for name, answer in answers.items()
    ]
    if isinstance(extra, dict):
        if "prompt_id" in extra and extra["prompt_id"] in _ids(prompt):
            extra = {name: value for name, value in extra.items() if name != "prompt_id"}
        extra = {**extra, "turns": kept} if kept else extra
        extra = {**extra, "prompt": form.prompt} if _is_shorter(form.prompt, len(prompt)) else extra
    read = {"kind": form.kind, "prompt": prompt, "prompt_id": identity, "responses": responses, "extra": extra}
    judgements = form.judgements
    return read | {"judgements": [_without_nulls(one) for one in judgements] if _is_list(judgements) else judgements}


def _is_shorter(stated: object, count: int) -> bool:
    """Whether a stated prompt has fewer turns: the answers are conversations that go on before they differ."""
    if stated is None or count == 1:
        return False
    return (len(stated) if isinstance(stated, list | tuple) else len(turns(stated, "user", "prompt", {}))) < count


def _check_prompt_id(stated: object, prompt: Sequence[Message], given: object) -> None:
    """A stated id may be that of the prompt as it is given, before turns of the answers are added to it."""
    if stated in _ids(prompt) or (given is not None and stated in _ids(conversations(given, {"": "-"}).prompt)):
        return
    raise BadFeedback("prompt_id is not the expected hash of the normalised prompt; leave it out to have it filled in")


def _ids(prompt: Sequence[Message]) -> Sequence[str]:
    """The ids that a store may have for the prompt: an exported record states one of them."""
    return prompt_id(prompt), version_1_id(prompt), distinct_id(prompt)


def _answer(answer: object, name: str) -> dict[str, Any]:
    if not isinstance(answer, Mapping):
        return {"messages": answer}
    if answer.get("messages") is None:
        raise BadFeedback(f"{name}.messages is missing, expected one of the forms in docs/feedback.md")
    fields = _without_nulls(answer)
    texts = {name: _as_text(fields[name]) for name in ("response_id", "model_version") if name in fields}
    return {**fields, **texts}


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)


def _without_nulls(value: Any) -> Any:
    return {name: given for name, given in value.items() if given is not None} if isinstance(value, Mapping) else value


def _others(
    record: Mapping[str, Any], layout: Layout, form: Form, level: Trust
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The other keys of a record: fields of an event, and `extra` for the rest."""
    rest = {name: value for name, value in record.items() if name not in layout.columns | layout.optional}
    stated = {name: value for name, value in rest.items() if name in _SHORT_FORM_FIELDS and _is_ours(name, value)}
    fields, ignored = trust.limited(stated, level)
    extra = {name: value for name, value in rest.items() if name not in stated}
    return fields | dict(form.fields), _with_ignored(extra | dict(form.native), ignored)


def _without_ignored(extra: Any, field: str, computed: str) -> Any:
    """`extra` without an ignored field that states what is computed anyway."""
    ignored = extra.get(trust.IGNORED) if isinstance(extra, dict) else None
    if not isinstance(ignored, dict) or ignored.get(field) != computed:
        return extra
    rest = {name: value for name, value in ignored.items() if name != field}
    others = {name: value for name, value in extra.items() if name != trust.IGNORED}
    return {**others, trust.IGNORED: rest} if rest else others


def _with_ignored(extra: Any, ignored: Mapping[str, Any]) -> Any:
    """`extra` with the fields that are not honoured; what is no object is refused with the event."""
    return {**extra, trust.IGNORED: dict(ignored)} if ignored and isinstance(extra, dict) else extra


def _is_ours(name: str, value: Any) -> bool:
    """Whether a value can be meant by our field, and not by one of the same name of another tool."""
    if name in ("round", "schema_version", "duration_ms"):
        return isinstance(value, int) and not isinstance(value, bool)
    if name in _TEXTS:
        return isinstance(value, str)
    if name == "flags":
        return _is_list(value) and all(isinstance(flag, str) for flag in value)
    return name not in _CLOSED or (isinstance(value, str) and value in _CLOSED[name])
