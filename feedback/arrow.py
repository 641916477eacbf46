"""The stored form of feedback: `FeedbackEvent` as an Arrow table, one column per field, and back without loss."""

import json
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import pyarrow as pa

from feedback.schema import FeedbackEvent, Judgement, Message, Response

_TEXT = pa.string()
_TIME = pa.timestamp("us", tz="UTC")

MESSAGES = pa.list_(pa.struct([("role", _TEXT), ("content", _TEXT)]))

_RESPONSE = pa.struct(
    [
        ("response_id", _TEXT),
        ("messages", MESSAGES),
        ("origin", _TEXT),
        ("parent_ix", pa.int16()),
        ("model", _TEXT),
        ("model_version", _TEXT),
    ]
)

_JUDGEMENT = pa.struct(
    [
        ("criterion", _TEXT),
        ("outcome", _TEXT),
        ("ranks", pa.list_(pa.int16())),
        ("scores", pa.list_(pa.float64())),
        ("scale_min", pa.float64()),
        ("scale_max", pa.float64()),
        ("strength", pa.float64()),
        ("strength_max", pa.float64()),
        ("confidence", pa.float64()),
        ("label", _TEXT),
        ("rationale", _TEXT),
        ("tags", pa.list_(_TEXT)),
    ]
)

# Plain strings instead of dictionary columns: Parquet compresses repeated values anyway, and parts can be
# concatenated without unifying dictionaries.
SCHEMA = pa.schema(
    [
        ("schema_version", pa.int16()),
        ("feedback_id", _TEXT),
        ("kind", _TEXT),
        ("prompt_id", _TEXT),
        ("prompt_group", _TEXT),
        ("prompt", MESSAGES),
        ("responses", pa.list_(_RESPONSE)),
        ("shown_order", pa.list_(pa.int16())),
        ("judgements", pa.list_(_JUDGEMENT)),
        ("annotator_id", _TEXT),
        ("annotator_type", _TEXT),
        ("annotator_version", _TEXT),
        ("annotator_groups", _TEXT),  # JSON
        ("created_at", _TIME),
        ("ingested_at", _TIME),
        ("duration_ms", pa.int32()),
        ("round", pa.int32()),
        ("batch_id", _TEXT),
        ("guideline_version", _TEXT),
        ("source", _TEXT),
        ("source_id", _TEXT),
        ("source_sha256", _TEXT),
        ("licence", _TEXT),
        ("consent", _TEXT),
        ("split", _TEXT),
        ("status", _TEXT),
        ("supersedes", _TEXT),
        ("flags", pa.list_(_TEXT)),
        ("extra", _TEXT),  # JSON
    ]
)

_JSON = ("annotator_groups", "extra")


def to_table(events: Iterable[FeedbackEvent]) -> pa.Table:
    """Events as a table with the columns of `SCHEMA`, in the order given."""
    rows = list(events)
    return pa.Table.from_arrays([pa.array(_column(rows, field.name), field.type) for field in SCHEMA], schema=SCHEMA)


def from_table(table: pa.Table) -> list[FeedbackEvent]:
    """The events of a table written by `to_table`, validated again."""
    return [_event(row) for row in table.to_pylist()]


def _column(events: Sequence[FeedbackEvent], name: str) -> list[Any]:
    """The values of one field; structs are tuples of their fields in order."""
    match name:
        case "prompt":
            return [_messages(event.prompt) for event in events]
        case "responses":
            return [[_response(response) for response in event.responses] for event in events]
        case "judgements":
            return [[_judgement(judgement) for judgement in event.judgements] for event in events]
        case "annotator_groups" | "extra":
            return [_json(getattr(event, name)) for event in events]
        case _:
            return [getattr(event, name) for event in events]


def _messages(messages: Iterable[Message]) -> list[tuple[Any, ...]]:
    return [(message.role, message.content) for message in messages]


def _response(answer: Response) -> tuple[Any, ...]:
    origin = (answer.origin, answer.parent_ix, answer.model, answer.model_version)
    return (answer.response_id, _messages(answer.messages), *origin)


_FIELDS_OF_JUDGEMENT = attrgetter(*(field.name for field in _JUDGEMENT))


def _judgement(judgement: Judgement) -> tuple[Any, ...]:
    fields: tuple[Any, ...] = _FIELDS_OF_JUDGEMENT(judgement)
    return fields


def _json(values: Mapping[str, Any]) -> str:
    # Sorted keys: the same event gives the same bytes. ASCII: JSON can hold a lone surrogate, UTF-8 cannot.
    return json.dumps(values, sort_keys=True) if values else "{}"


def _event(row: dict[str, Any]) -> FeedbackEvent:
    return FeedbackEvent.model_validate(row | {name: json.loads(row[name]) for name in _JSON})
