"""Replies to the questions of a labelling tool; each case says what they mean."""

from typing import Any

import pytest

from core.errors import BadFeedback, BadParams
from core.settings import parse
from feedback import canonical, questions
from feedback.questions import Question, Submission
from feedback.schema import FeedbackEvent

WINNER = {"use": "winner", "values": {"a": 0, "b": 1, "same": "tie", True: 0}}
RANKING = {"use": "ranking", "values": {"x": 0, "y": 1, "z": 2}}


def read(
    replies: dict[str, Any], knobs: dict[str, Any], answers: int = 2, skipped: bool = False
) -> list[FeedbackEvent]:
    asked = {name: parse(Question, given, "questions") for name, given in knobs.items()}
    texts = ["first", "second", "third"][:answers]
    fields = {"annotator_id": "ann", "duration_ms": 700}
    submission = Submission("7", "Q?", texts, replies, skipped, fields, {"native": 1})
    records = questions.records(submission, asked)
    return [canonical.event(record, {"source": "s", "source_id": "-"}) for record in records]


def test_verdicts_are_one_event_and_texts_its_reason() -> None:
    knobs = {"better": WINNER, "kinder": WINNER | {"criterion": "kind"}, "why": {"use": "rationale"}}
    [event] = read({"better": "b", "kinder": "same", "why": "Shorter."}, knobs)
    overall, kind = event.judgements
    assert (overall.criterion, overall.ranks, overall.rationale) == ("overall", (2, 1), "Shorter.")
    assert (kind.criterion, kind.outcome) == ("kind", "tie")
    assert (event.source_id, event.annotator_id, event.extra) == ("7", "ann", {"native": 1})


@pytest.mark.parametrize(
    ("reply", "ranks"),
    [
        (["y", "x", "z"], (2, 1, 3)),
        ([{"value": "x", "rank": 2}, {"value": "y", "rank": 2}, {"value": "z", "rank": 0}], (2, 2, 1)),
        ([{"value": "x", "rank": 1}, {"value": "z", "rank": 2}], (1, None, 2)),
    ],
)
def test_rankings_as_an_order_or_with_ranks(reply: list[Any], ranks: tuple[int | None, ...]) -> None:
    [event] = read({"order": reply}, {"order": RANKING}, answers=3)
    assert (event.kind, event.judgements[0].ranks) == ("ranking", ranks)


def test_the_first_value_of_a_scale_is_the_worst() -> None:
    knobs = {"good": {"use": "rating", "scale": [1, 5]}, "errors": {"use": "rating", "answer": 1, "scale": [10, 0]}}
    [event] = read({"good": 4, "errors": "3"}, knobs)
    good, errors = event.judgements
    assert (good.scores, good.scale_min, good.scale_max) == ((4, None), 1, 5)
    assert (errors.scores, errors.scale_min, errors.scale_max) == ((None, 7), 0, 10)


def test_thumbs_labels_and_written_answers_are_events_of_their_own() -> None:
    knobs = {
        "ok": {"use": "thumb", "values": {"yes": "good", "no": "bad"}},
        "topics": {"use": "label"},
        "edit": {"use": "correction", "answer": 1},
        "own": {"use": "demonstration"},
        "empty": {"use": "correction"},
    }
    replies = {"ok": "no", "topics": ["bill", "fee"], "edit": "second!", "own": "third.", "empty": " "}
    thumb, label, correction, shown = read(replies, knobs)
    assert (thumb.kind, thumb.judgements[0].scores) == ("binary", (0, None))
    assert label.judgements[0].label == "bill, fee"
    assert [(answer.text, answer.parent_ix) for answer in correction.responses] == [("second", None), ("second!", 0)]
    assert (shown.kind, shown.responses[0].text, shown.responses[0].origin) == ("demonstration", "third.", "human")
    assert [event.duration_ms for event in (thumb, label, correction, shown)] == [700, None, None, None]


def test_a_reason_alone_is_a_critique() -> None:
    [event] = read({"why": "Rude."}, {"why": {"use": "rationale"}})
    assert (event.kind, event.judgements[0].rationale) == ("critique", "Rude.")


def test_a_skip_withdraws_each_kind_of_judgement() -> None:
    knobs = {"better": WINNER, "good": {"use": "rating", "scale": [1, 5]}}
    skips = read({}, knobs, skipped=True)
    assert [event.feedback_id for event in skips] == [
        event.feedback_id for event in read({"better": "a", "good": 2}, knobs)
    ]
    assert {event.judgements[0].outcome for event in skips} == {"skip"}
    assert [event.kind for event in read({}, {}, answers=1)] == ["rating"]


@pytest.mark.parametrize(
    ("replies", "knobs", "answers", "expected"),
    [
        (
            {"better": "c"},
            {"better": WINNER},
            2,
            "better is 'c', expected a, b, same, true; add it to questions.better",
        ),
        ({"better": "b"}, {"better": WINNER}, 3, "better names the best of 3 answers, expected two"),
        ({"better": "b"}, {"better": {"use": "winner", "values": {"b": 2}}}, 2, "the answer at position 2 is judged"),
        ({"good": 6}, {"good": {"use": "rating", "scale": [1, 5]}}, 2, "good is 6.0, expected a number from 1 to 5"),
        ({"good": 3}, {"good": {"use": "rating", "scale": [1, 5], "answer": 2}}, 2, "the answer at position 2"),
        ({"stars": 4}, {}, 2, "stars is 4, expected the question in `questions`"),
    ],
)
def test_a_reply_without_a_meaning_is_refused(
    replies: dict[str, Any], knobs: dict[str, Any], answers: int, expected: str
) -> None:
    with pytest.raises(BadFeedback) as error:
        read(replies, knobs, answers)
    assert str(error.value).startswith(expected)


@pytest.mark.parametrize(
    "knobs",
    [
        {"use": "rating"},
        {"use": "rating", "scale": [3, 3]},
        {"use": "ranking", "values": {"x": "tie"}},
        {"use": "thumb", "values": {"yes": 1}},
        {"use": "winner", "values": {"yes": "good"}},
        {"use": "vote"},
    ],
)
def test_a_question_that_makes_no_sense_is_refused(knobs: dict[str, Any]) -> None:
    with pytest.raises(BadParams):
        parse(Question, knobs, "questions")
