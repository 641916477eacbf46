from typing import Any

import pytest

from feedback import label_events
from feedback.label_events import Subject
from feedback.label_items import of_answers, of_gold
from feedback.label_quality import LabelQuality, qualities
from feedback.label_roles import Role
from feedback.labels import LabelJudgement, LabelKind
from feedback.schema import FeedbackEvent, Message, Response

PROMPT = (Message(role="user", content="Why?"),)
RATED = {
    "kind": "rating",
    "prompt": "Why?",
    "responses": ["a"],
    "judgements": [{"scores": [4], "scale_min": 1, "scale_max": 5}],
}


def subject(role: Role, record: dict[str, Any], item: str = "x", stored: int = 0) -> Subject:
    suffix = "" if role == "ordinary" else f"#{role}"
    return Subject(record, f"label:q{suffix}", item, role, "ana", (1, 0), (), (1, 5), stored, "MIT", "opt-in")


def said(about: Subject, **judgement: Any) -> list[FeedbackEvent]:
    return label_events.events(about, LabelJudgement(**judgement))


def ordinary(kind: LabelKind) -> dict[str, Any]:
    answers = [
        Response(response_id=text, messages=(Message(role="assistant", content=text),))
        for text in ("a", "b")[: 1 + (kind == "comparison")]
    ]
    [item] = of_answers(kind, PROMPT, answers)
    return item.record


@pytest.mark.parametrize(
    ("record", "judgement", "right"),
    [
        ({"prompt": "Why?", "chosen": "a", "rejected": "b"}, {"preferred": "right"}, True),  # a is on the right
        ({"prompt": "Why?", "chosen": "a", "rejected": "b"}, {"preferred": "left"}, False),
        ({"prompt": "Why?", "chosen": "a", "rejected": "b"}, {"preferred": "tie"}, False),
        (RATED, {"rating": 5}, True),  # one star of five beside it
        (RATED, {"rating": 2}, False),
        ({"prompt": "Why?", "completion": "a", "label": False}, {"thumb": "down"}, True),
        ({"prompt": "Why?", "completion": "a", "label": False}, {"thumb": "up"}, False),
    ],
)
def test_a_judgement_of_a_gold_item_is_right_or_wrong(
    record: dict[str, Any], judgement: dict[str, Any], right: bool
) -> None:
    about = subject("gold", of_gold(record).record)
    assert qualities(said(about, **judgement)) == [LabelQuality("ana", 0, 1, int(right), 0, 0)]
    assert qualities(said(about, outcome="cannot_judge")) == []


@pytest.mark.parametrize(
    ("kind", "first", "again", "equal"),
    [
        ("comparison", {"preferred": "left"}, {"preferred": "left"}, 1),
        ("comparison", {"preferred": "left"}, {"preferred": "right"}, 0),
        ("comparison", {"preferred": "tie"}, {"preferred": "both_bad"}, 1),
        ("rating", {"rating": 3}, {"rating": 4}, 1),
        ("rating", {"rating": 3}, {"rating": 5}, 0),
    ],
)
def test_a_repeat_is_compared_with_the_judgement_before_it(
    kind: LabelKind, first: dict[str, Any], again: dict[str, Any], equal: int
) -> None:
    record = ordinary(kind)
    events = [*said(subject("ordinary", record), **first), *said(subject("repeat", record), **again)]
    assert qualities(events) == [LabelQuality("ana", 1, 0, 0, 1, equal)]


def test_the_last_judgement_counts_and_an_edit_is_none() -> None:
    record = ordinary("comparison")
    first = said(subject("ordinary", record), preferred="left", correction="c")
    assert len(first) == 2
    back = label_events.withdrawals(subject("ordinary", record, stored=1), first)
    assert qualities([*first, *back]) == []
    last = said(subject("ordinary", record, stored=2), preferred="right")
    again = said(subject("repeat", record), preferred="right")
    assert qualities([*first, *back, *last, *again]) == [LabelQuality("ana", 1, 0, 0, 1, 1)]
