"""The first problem of an event, named by its field."""

import pytest

from core.errors import BadFeedback
from feedback import canonical
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
        (event("\n\nHuman: Hello?", answers=("Yes.", "No.")), "prompt[0] begins with another conversation"),
        (event(answers=("Yes.", "\n\nHuman: Hello?")), "responses[1] begins with another conversation"),
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


@pytest.mark.parametrize(
    ("low", "high", "scores", "reason"),
    [
        (5, 1, (1, 5), "scale_min is 5 and scale_max 1, expected scale_min below"),
        (3, 3, (3, 3), "scale_min is 3 and scale_max 3"),
        (1, 5, (100, 2), "judgements[0].scores[0] is 100, expected a number from 1 to 5"),
        (1, 5, (None, -3), "judgements[0].scores[1] is -3, expected a number from 1 to 5"),
        (0, None, (1, -1), "judgements[0].scores[1] is -1, expected a number from 0,"),
        (None, 5, (1, 6), "judgements[0].scores[1] is 6, expected a number to 5,"),
        (1, 5, (1, 5), None),
        (None, None, (-7, 100), None),
    ],
)
def test_scores_are_on_their_scale(low: float, high: float, scores: tuple[float, float], reason: str | None) -> None:
    judgement = Judgement(scores=scores, scale_min=low, scale_max=high)
    found = problem(event(kind="rating", judgements=(judgement,)))
    assert found is None if reason is None else reason in (found or "")


@pytest.mark.parametrize("rating", [9, -3, "0"])
def test_a_rating_of_distilabel_is_from_1_to_5(rating: object) -> None:
    record = {"instruction": "Q?", "generations": ["A", "B"], "ratings": [rating, 2]}
    with pytest.raises(BadFeedback, match="expected a number from 1 to 5"):
        canonical.event(record, {"source": "t", "source_id": "1"})
