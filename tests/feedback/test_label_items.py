from typing import Any

import pytest

from core.errors import BadFeedback
from feedback.label_items import of_answers, of_gold, of_record
from feedback.labels import LabelKind
from feedback.schema import Message, Response

PROMPT = (Message(role="user", content="Why?"),)


def answer(text: str) -> Response:
    return Response(response_id=f"id-{text}", messages=(Message(role="assistant", content=text),), model_version="7")


def texts(record: dict[str, Any]) -> list[str]:
    return [response["messages"][0]["content"] for response in record["responses"]]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("comparison", [["a", "b"], ["a", "c"], ["b", "c"]]),
        ("rating", [["a"], ["b"], ["A "], ["c"]]),
        ("demonstration", [[]]),
    ],
)
def test_answers_become_pairs_single_answers_or_the_prompt(kind: LabelKind, expected: list[list[str]]) -> None:
    """Of a comparison, `a` and `A ` are equal; the pairs of `A ` with others differ from those of `a`."""
    answers = [answer(text) for text in ("a", "b", "A ", "c", "  ")]
    made = [texts(item.record) for item in of_answers(kind, PROMPT, answers)]
    assert [own for own in made if kind != "comparison" or "A " not in own] == expected


def test_an_item_is_named_by_what_is_judged_whatever_the_sides() -> None:
    [one], [other] = (of_answers("comparison", PROMPT, [answer(a), answer(b)]) for a, b in (("x", "y"), ("y", "x")))
    assert one.item == other.item
    assert one.item != next(of_answers("comparison", PROMPT, [answer("x"), answer("z")])).item
    assert one.record["responses"][0]["model_version"] == "7"


@pytest.mark.parametrize(
    ("record", "kind", "expected"),
    [
        ({"prompt": "Why?", "responses": ["a", "b"]}, "comparison", [["a", "b"]]),
        ({"prompt": "Why?", "responses": ["a", "b"]}, "binary", [["a"], ["b"]]),
        ({"prompt": "Why?", "chosen": "a", "rejected": "b"}, "comparison", [["a", "b"]]),
        ({"prompt": "Why?", "completion": "a"}, "correction", [["a"]]),
        ({"prompt": "Why?", "licence": "MIT"}, "demonstration", [[]]),
    ],
)
def test_a_record_in_any_form_is_judged(record: dict[str, Any], kind: LabelKind, expected: list[list[str]]) -> None:
    items = of_record(record, kind)
    assert [texts(item.record) for item in items] == expected
    assert all("gold" not in item.record for item in items)
    assert {item.record["licence"] for item in items} == {record.get("licence", "none-stated")}


@pytest.mark.parametrize(
    ("record", "kind", "message"),
    [
        ({"prompt": "Why?"}, "comparison", "expected two different answers"),
        ({"prompt": "Why?", "responses": ["a", " A"]}, "comparison", "expected two different answers"),
        ({"prompt": "Why?"}, "rating", "expected an answer in"),
        ({"prompt": "", "responses": ["a"]}, "rating", "prompt"),
    ],
)
def test_a_record_with_too_little_is_refused(record: dict[str, Any], kind: LabelKind, message: str) -> None:
    with pytest.raises(BadFeedback, match=message):
        of_record(record, kind)


@pytest.mark.parametrize(
    ("record", "kind", "right"),
    [
        ({"prompt": "Why?", "chosen": "a", "rejected": "b"}, "comparison", {"outcome": "prefer", "ranks": [1, 2]}),
        ({"prompt": "Why?", "completion": "a", "label": True}, "binary", {"outcome": "prefer", "scores": [1.0]}),
        (
            {
                "kind": "comparison",
                "prompt": "Why?",
                "responses": ["a", "b"],
                "judgements": [{"outcome": "tie_both_bad"}],
            },
            "comparison",
            {"outcome": "tie_both_bad"},
        ),
    ],
)
def test_a_gold_item_has_the_right_judgement(record: dict[str, Any], kind: str, right: dict[str, Any]) -> None:
    item = of_gold(record)
    assert item.record["kind"] == kind
    assert {name: item.record["gold"][name] for name in right} == right


def test_gold_without_a_right_judgement_is_refused() -> None:
    with pytest.raises(BadFeedback, match="a gold item is a comparison, a thumb or a rating"):
        of_gold({"prompt": "Why?", "completion": "a"})
