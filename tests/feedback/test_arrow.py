import io

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback.arrow import SCHEMA, from_table, to_table
from feedback.schema import FeedbackEvent
from tests.feedback.examples import event, valid_events


@settings(deadline=None, max_examples=30)
@given(st.lists(valid_events(), max_size=3))
def test_any_valid_event_comes_back_from_parquet_exactly(events: list[FeedbackEvent]) -> None:
    file = io.BytesIO()
    pq.write_table(to_table(events), file)
    assert from_table(pq.read_table(file)) == events


def test_each_field_of_an_event_has_its_column() -> None:
    assert SCHEMA.names == list(FeedbackEvent.model_fields)


def test_the_order_of_keys_in_extra_does_not_change_the_bytes() -> None:
    first, second = event(extra={"a": 1, "b": 2}), event(extra={"b": 2, "a": 1})
    assert to_table([first]).equals(to_table([second]))


def test_extra_can_hold_a_lone_surrogate() -> None:
    assert from_table(to_table([event(extra={"raw": "\ud800"})]))[0].extra == {"raw": "\ud800"}


def test_no_events_are_a_table_without_rows() -> None:
    assert to_table([]).schema == SCHEMA
    assert from_table(pa.Table.from_pylist([], schema=SCHEMA)) == []
