"""Records of every form with one value replaced by any other: each is an event or has a reason, twice the same."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadFeedback
from feedback import canonical, lines
from feedback.guesses import template
from feedback.schema import FeedbackEvent
from tests.feedback.layouts.fixtures import DEFAULTS, FIXTURES, Fixture, named
from tests.feedback.sources.test_mutated_exports import places, replaced

ODD: list[Any] = [
    None,
    "",
    0,
    -1,
    2.5,
    True,
    10**400,
    float("inf"),
    "\ud800",
    [],
    {},
    [[]],
    [{}],
    [None],
    {"a": 1},
    "[",
    "[1]",
]
VALUES = st.sampled_from(ODD) | st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**12) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["role", "content", "x"]), inner),
    max_leaves=3,
)


def mutated(fixture: Fixture, data: st.DataObject) -> dict[str, Any]:
    place = data.draw(st.sampled_from(places(fixture.record)[1:]))
    changed: dict[str, Any] = replaced(fixture.record, place, data.draw(VALUES))
    return changed


def read(record: dict[str, Any]) -> FeedbackEvent | str:
    try:
        return canonical.event(record, DEFAULTS)
    except BadFeedback as error:
        return str(error)


@settings(deadline=None, max_examples=40)
@pytest.mark.parametrize("fixture", FIXTURES, ids=named)
@given(data=st.data())
def test_a_record_is_an_event_or_has_a_reason(fixture: Fixture, data: st.DataObject) -> None:
    record = mutated(fixture, data)
    assert read(record) == read(record)


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_a_file_is_read_to_its_end_and_twice_the_same(data: st.DataObject) -> None:
    records = [mutated(fixture, data) for fixture in data.draw(st.lists(st.sampled_from(FIXTURES), max_size=3))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "votes.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in (*records, FIXTURES[0].record)))
        first, second = (list(lines.events(path, "votes", {})) for _ in range(2))
    assert first == second
    assert len(first) == len(records) + 1
    assert isinstance(first[-1], FeedbackEvent)


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_a_map_is_guessed_from_any_records(data: st.DataObject) -> None:
    fixture = data.draw(st.sampled_from(FIXTURES))
    assert template([fixture.record, mutated(fixture, data)])
