"""The first problem of an event, named by its field."""

import pytest

from feedback.checks import problem
from feedback.schema import FeedbackEvent, Judgement, Message
from tests.feedback.examples import chat, event, reply, vote


def test_a_usable_event_has_no_problem() -> None:
    assert problem(vote("1")) is None
    assert problem(event(kind="demonstration", answers=("An answer.",))) is None


@pytest.mark.parametrize("outcome", ["tie", "tie_both_good", "tie_both_bad", "skip", "cannot_judge"])
def test_equal_answers_without_a_winner_are_usable(outcome: str) -> None:
    assert problem(vote("1", (1, 1), outcome, answers=("Yes.", "Yes."))) is None


def test_a_verdict_may_be_stated_twice() -> None:
    twice = (Judgement(ranks=(1, 2)), Judgement(ranks=(1, 3)))
    assert problem(event(judgements=twice)) is None


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (vote("1").model_copy(update={"prompt": (Message(role="user", content=" "),)}), "prompt[0]"),
        (vote("1").model_copy(update={"prompt": chat("Hello?", "Hello.")}), "prompt ends"),
        (event(answers=("Yes.", " ")), "responses[1]"),
        (event(answers=("Yes.",)), "responses: a comparison with 1"),
        (vote("1", answers=("Yes.", " yes.")), "judgements[0]: one of two answers with the same text"),
        (vote("1", (1, 2, 1), kind="ranking", answers=("A", "A", "B")), "same text"),
        (event(), "judgements is empty"),
        (vote("1", ranks=(1, 2)).model_copy(update={"responses": (reply("A"), reply("B"), reply("C"))}), "with 3"),
        (event(kind="correction", answers=("Before.", "After.")), "parent_ix"),
    ],
)
def test_a_problem_names_the_field(bad: FeedbackEvent, field: str) -> None:
    assert field in (problem(bad) or "")
