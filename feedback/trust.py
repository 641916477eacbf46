"""Who may state what: which fields of a record are honoured, by the trust in its giver. One table for all ways in.

A record over HTTP and a file that somebody put into the inbox are from *outside*; `rounds feedback import` and a source
in params.yaml are acts of the *operator*; `--trust` and the knob `trust` of a source give *full* trust.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from feedback.schema import SAFETY, FeedbackEvent, event_id

IGNORED = "ignored_fields"
"""Key of `extra` with the fields that a record states and that were not honoured."""
UNTRUSTED_SOURCE = "inbox, not imported"
"""Part of the id of a record from outside that states what is not honoured: no trusted record has such an id."""


class Trust(IntEnum):
    """Trust in the giver of a record; each level honours what the levels below it honour."""

    OUTSIDE = 0
    """HTTP, and files that were put into the inbox by hand."""
    OPERATOR = 1
    """`rounds feedback import`, and sources in params.yaml."""
    FULL = 2
    """The same with `--trust`, or with the knob `trust: true`."""


class FieldTrust(NamedTuple):
    """From which trust on a record may state some fields, and what they are otherwise."""

    fields: tuple[str, ...]
    trust: Trust
    otherwise: str


RULES = (
    FieldTrust(
        ("schema_version", "kind", "prompt", "prompt_id", "responses", "judgements", "shown_order"),
        Trust.OUTSIDE,
        "a `prompt_id` that is not the hash of the prompt is an error",
    ),
    FieldTrust(
        ("responses.model", "responses.model_version"),
        Trust.OPERATOR,
        "none: the answer counts for no version; HTTP: kept if the service says that it filled them in",
    ),
    FieldTrust(("duration_ms", "extra"), Trust.OUTSIDE, ""),
    FieldTrust(("status",), Trust.OUTSIDE, "it can only keep the giver's own record from being used"),
    FieldTrust(("supersedes",), Trust.OUTSIDE, "of the giver's own events; of those of others, it takes full trust"),
    FieldTrust(("flags",), Trust.OUTSIDE, "words such as `harmful`; `safety` and `name:value` take an operator"),
    FieldTrust(("annotator_id",), Trust.OPERATOR, "HTTP: the identity of the key; a file: `unknown`, not kept"),
    FieldTrust(("annotator_groups",), Trust.OPERATOR, "none, not kept"),
    FieldTrust(("annotator_type", "annotator_version"), Trust.OPERATOR, "the default"),
    FieldTrust(("created_at", "ingested_at"), Trust.OPERATOR, "the time of arrival"),
    FieldTrust(
        ("licence", "consent"),
        Trust.OPERATOR,
        "HTTP: unless stricter, those of [the server](serving.md#licence-and-consent); a file: `none-stated`",
    ),
    FieldTrust(("source",), Trust.OPERATOR, "HTTP: the name of the service; a file: `inbox:` and its name"),
    FieldTrust(("source_id",), Trust.OPERATOR, "HTTP: kept, within the giver's own; a file: the hash of the line"),
    FieldTrust(("round", "batch_id", "guideline_version"), Trust.OPERATOR, "the default"),
    FieldTrust(("feedback_id",), Trust.FULL, "computed from source, `source_id` and annotator"),
    FieldTrust(("prompt_group", "split"), Trust.FULL, "computed from the prompt"),
    FieldTrust(("source_sha256",), Trust.FULL, "computed from the record"),
)

NEEDED = {field: rule.trust for rule in RULES for field in rule.fields}
"""Field → the trust that it takes."""

AUTHOR = ("model", "model_version")
"""Fields of a response that say which version wrote it: guards and drift count its feedback for that version."""
_ANSWERS = "responses"
_NOT_KEPT = ("annotator_id", "annotator_groups")
"""Fields about a person whose values are not kept if they are not honoured: nobody could find them to erase them."""


class Limited(NamedTuple):
    """The fields that a record states."""

    honoured: dict[str, Any]
    ignored: dict[str, Any]
    """Those that are not honoured; null instead of a value that is not kept."""


def limited(stated: Mapping[str, Any], trust: Trust) -> Limited:
    """Divide the fields that a record states by whether they are honoured at this level."""
    if trust is Trust.FULL:
        return Limited(dict(stated), {})
    honoured = {name: value for name, value in stated.items() if _may(name, value, trust)}
    ignored = {name: None if name in _NOT_KEPT else stated[name] for name in stated.keys() - honoured.keys()}
    if trust is Trust.OUTSIDE and isinstance(flags := honoured.get("flags"), list | tuple):
        honoured["flags"] = [flag for flag in flags if not _labels_the_prompt(flag)]
        if labels := [flag for flag in flags if _labels_the_prompt(flag)]:
            ignored["flags"] = labels
    return Limited(honoured, dict(sorted(ignored.items())))


def without_authors(answers: Sequence[Any], trust: Trust) -> tuple[list[Any], dict[str, Any]]:
    """Answers of a record without the versions that they may not state at this level, and what was not honoured."""
    if trust >= Trust.OPERATOR:
        return list(answers), {}
    kept = [
        {name: value for name, value in answer.items() if name not in AUTHOR} if isinstance(answer, Mapping) else answer
        for answer in answers
    ]
    stated = {f"{_ANSWERS}.{name}": [_stated(answer, name) for answer in answers] for name in AUTHOR}
    return kept, {name: values for name, values in stated.items() if any(value is not None for value in values)}


def _stated(answer: object, field: str) -> Any:
    return answer.get(field) if isinstance(answer, Mapping) else None


def received(event: FeedbackEvent, identity: str, source: str, attributed: bool = False) -> FeedbackEvent:
    """An event that a service received, as one by the giver whose key was used.

    Args:
        event: what was received, as it was read.
        identity: the identity of the key: the annotator.
        source: the name of the service. With identity and `source_id` it makes the id, so that nobody can take an id
            of another giver.
        attributed: whether the service filled in which version wrote the answers. Otherwise none is kept.
    """
    own: dict[str, Any] = {
        "feedback_id": event_id(source, event.source_id, identity),
        "prompt_group": event.prompt_id,
        "source": source,
        "source_id": event.source_id,
        "annotator_id": identity,
    }
    hidden = {"feedback_id", "source", "source_id", "source_sha256", "extra"}
    given = event.model_dump(mode="json", exclude_defaults=True, exclude=hidden)
    honoured, ignored = limited({name: value for name, value in given.items() if own.get(name) != value}, Trust.OUTSIDE)
    if not attributed:
        answers, authors = without_authors(honoured[_ANSWERS], Trust.OUTSIDE)
        honoured[_ANSWERS], ignored = answers, ignored | authors
    before = event.extra.get(IGNORED, {})
    extra = {**event.extra, IGNORED: (before if isinstance(before, dict) else {}) | ignored} if ignored else event.extra
    own["extra"] = extra
    return FeedbackEvent.model_validate({**honoured, **own})


def ignored(event: FeedbackEvent) -> tuple[str, ...]:
    """The fields that the event's record states and that were not honoured."""
    fields = event.extra.get(IGNORED)
    return tuple(fields) if isinstance(fields, dict) else ()


def table() -> str:
    """The rules as a table in Markdown, for docs/feedback.md."""
    names = {Trust.OUTSIDE: "everybody", Trust.OPERATOR: "operator", Trust.FULL: "`--trust`"}
    rows = [
        f"| {', '.join(f'`{name}`' for name in fields)} | {names[trust]} | {note} |" for fields, trust, note in RULES
    ]
    return "\n".join(["| fields | honoured for | otherwise, or condition |", "|---|---|---|", *rows])


def _may(field: str, value: object, trust: Trust) -> bool:
    """Whether a record may state this: a default is what it would be anyway."""
    if NEEDED.get(field, Trust.OUTSIDE) <= trust:
        return True
    default = FeedbackEvent.model_fields[field].get_default()
    return type(default) is type(value) and default == value


def _labels_the_prompt(flag: object) -> bool:
    return isinstance(flag, str) and (flag == SAFETY or ":" in flag)
