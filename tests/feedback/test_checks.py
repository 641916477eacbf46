"""The first problem of an event, named by its field."""

import pytest

from feedback.checks import problem
from feedback.schema import FeedbackEvent, Message
from tests.feedback.examples import chat, event, reply, vote


def test_a_usable_event_has_no_problem() -> None:
    assert problem(vote("1")) is None
    assert problem(event(kind="demonstration", answers=("An answer.",))) is None


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (vote("1").model_copy(update={"prompt": (Message(role="user", content=" "),)}), "prompt[0]"),
        (vote("1").model_copy(update={"prompt": chat("Hello?", "Hello.")}), "prompt ends"),
        (event(answers=("Yes.", " ")), "responses[1]"),
        (event(answers=("Yes.",)), "responses: a comparison with 1"),
        (event(answers=("Yes.", "Yes.")), "responses: all have the same text"),
        (event(), "judgements is empty"),
        (vote("1", ranks=(1, 2)).model_copy(update={"responses": (reply("A"), reply("B"), reply("C"))}), "with 3"),
        (event(kind="correction", answers=("Before.", "After.")), "parent_ix"),
    ],
)
def test_a_problem_names_the_field(bad: FeedbackEvent, field: str) -> None:
    assert field in (problem(bad) or "")
