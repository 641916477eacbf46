"""The stored form of feedback: `FeedbackEvent` as an Arrow table, one column per field, and back without loss."""

import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from feedback.schema import FeedbackEvent

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
    return pa.Table.from_pylist([_row(event) for event in events], schema=SCHEMA)


def from_table(table: pa.Table) -> list[FeedbackEvent]:
    """The events of a table written by `to_table`, validated again."""
    return [_event(row) for row in table.to_pylist()]


def _row(event: FeedbackEvent) -> dict[str, Any]:
    row = event.model_dump()
    # Sorted keys: the same event gives the same bytes. ASCII: JSON can hold a lone surrogate, UTF-8 cannot.
    return row | {name: json.dumps(row[name], sort_keys=True) for name in _JSON}


def _event(row: dict[str, Any]) -> FeedbackEvent:
    return FeedbackEvent.model_validate(row | {name: json.loads(row[name]) for name in _JSON})
