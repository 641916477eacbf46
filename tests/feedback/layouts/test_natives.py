"""Nothing native is lost: the columns of each form are rebuilt from the canonical table, and are equal."""

from typing import Any

import pytest

from feedback import arrow, canonical, layouts
from feedback.schema import FeedbackEvent
from tests.feedback.layouts.fixtures import DEFAULTS, FIXTURES, Fixture, assistant, gpt, human, named, user
from tests.feedback.layouts.natives import COLUMNS, native

MORE = [
    Fixture("alpaca", {"instruction": "Q?", "input": "", "output": "good", "system": "Be kind.", "history": []}),
    Fixture("alpaca", {"instruction": "Q?", "output": "good", "system": "", "history": [["A?", "B"], ["C?", "D"]]}),
    Fixture("alpaca_eval", {"instruction": "Q?", "input": "x", "output_1": "a", "output_2": "b", "preference": 1.2}),
    Fixture("sharegpt", {"system": "", "conversations": [{**human("Q?"), "weight": None}, {**gpt("A"), "weight": 1}]}),
    Fixture("sharegpt", {"system": "Be kind.", "conversations": [{"from": "user", "value": "Q?"}, gpt("A")]}),
    Fixture(
        "sharegpt_preference",
        {"system": "Be kind.", "conversations": [human("Q?")], "chosen": gpt("a"), "rejected": gpt("b")},
    ),
    Fixture(
        "openai_dpo",
        {
            "input": {"messages": [user("Q?")], "tools": [], "parallel_tool_calls": True},
            "preferred_output": [assistant("a")],
            "non_preferred_output": [assistant("b")],
        },
    ),
    Fixture(
        "summarize_axes", {"info": {"title": "T", "article": "X"}, "summary": {"text": "s", "policy": "p", "axes": {}}}
    ),
]


def stored(record: dict[str, Any]) -> FeedbackEvent:
    """The event of a record, written to the canonical table and read back."""
    [event] = arrow.from_table(arrow.to_table([canonical.event(record, DEFAULTS)]))
    return event


@pytest.mark.parametrize("fixture", [*FIXTURES, *MORE], ids=named)
def test_the_native_columns_are_rebuilt_from_the_canonical_table(fixture: Fixture) -> None:
    rebuilt = native(fixture.layout, stored(fixture.record), fixture.record)
    assert {name: rebuilt.get(name) for name in fixture.record} == fixture.record


def test_every_form_is_rebuilt() -> None:
    assert COLUMNS.keys() == {layout.name() for layout in layouts.all_layouts()}


def test_a_prompt_that_the_answers_continue_is_kept_as_it_was() -> None:
    talk = [user("Q?"), assistant("So."), user("And?")]
    record = {"prompt": "Q?", "chosen": [*talk, assistant("good")], "rejected": [*talk, assistant("bad")]}
    event = stored(record)
    assert [turn.content for turn in event.prompt] == ["Q?", "So.", "And?"]
    assert event.extra["prompt"] == "Q?"
