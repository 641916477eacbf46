"""Served answers in the feedback database."""

from datetime import timedelta
from typing import Any

import pytest

from core.errors import BadFeedback
from feedback.store import answers
from feedback.store.answers import ServedAnswer
from feedback.store.database import Database
from tests.feedback.examples import chat
from tests.feedback.store.late import NOW


def answer(name: str, **fields: Any) -> ServedAnswer:
    values: dict[str, Any] = {
        "response_id": name,
        "completion": name,
        "choice": 0,
        "annotator": "shop:ana",
        "version": "3",
        "prompt": chat(f"Where is {name}?"),
        "text": f"Here is {name}.",
        "finish": "stop",
        "prompt_tokens": 4,
        "tokens": 5,
        "asked_at": NOW,
        "answered_at": NOW,
    }
    return ServedAnswer(**values | fields)


def test_an_answer_is_found_by_its_id(db: Database) -> None:
    given = answer("a", text="A\0 ☂", compared="sample", facts={"seed": 7})
    answers.put(db, [given, answer("b")])
    assert answers.find(db, ["a", "c"]) == {"a": given}


def test_the_first_answer_with_an_id_stays(db: Database) -> None:
    answers.put(db, [answer("a")])
    answers.put(db, [answer("a", text="another")])
    assert answers.find(db, ["a"])["a"].text == "Here is a."


def test_the_answers_to_a_request_are_in_their_order(db: Database) -> None:
    answers.put(db, [answer("x-1", completion="x", choice=1), answer("x", completion="x"), answer("y")])
    assert [each.response_id for each in answers.of_completion(db, "x")] == ["x", "x-1"]


def test_an_asker_whose_name_cannot_be_stored_is_refused(db: Database) -> None:
    with pytest.raises(BadFeedback, match="annotator '' cannot be stored"):
        answers.put(db, [answer("a", annotator="")])


def test_answers_from_before_a_time_are_removed(db: Database) -> None:
    answers.put(db, [answer("old", answered_at=NOW - timedelta(days=2)), answer("new")])
    before = NOW - timedelta(days=1)
    assert answers.expire(db, before, write=False) == 1
    assert answers.expire(db, before, write=True) == 1
    assert answers.expire(db, before, write=True) == 0
    assert answers.find(db, ["old", "new"]).keys() == {"new"}


def test_the_answers_to_one_asker_are_removed(db: Database) -> None:
    answers.put(db, [answer("a"), answer("b", annotator="shop:bo")])
    assert answers.erase(db, "shop:ana", write=False) == 1
    assert answers.erase(db, "shop:ana", write=True) == 1
    assert answers.find(db, ["a", "b"]).keys() == {"b"}


def test_a_redacted_answer_has_no_text_prompt_or_asker(db: Database) -> None:
    answers.put(db, [answer("a", facts={"seed": 7})])
    assert answers.redact(db, "a") == ("a",)
    assert answers.redact(db, "b") == ()
    stored = answers.find(db, ["a"])["a"]
    assert stored.redacted
    assert "a" not in {stored.text, stored.annotator, *(turn.content for turn in stored.prompt)}
    assert (stored.version, stored.facts) == ("3", {})


def test_all_answers_to_the_request_are_redacted_because_they_have_the_same_prompt(db: Database) -> None:
    answers.put(db, [answer("x", completion="x"), answer("x-1", completion="x", choice=1), answer("y")])
    assert sorted(answers.redact(db, "x-1")) == ["x", "x-1"]
    assert [name for name, stored in sorted(answers.find(db, ["x", "x-1", "y"]).items()) if stored.redacted] == [
        "x",
        "x-1",
    ]


def test_prompts_with_consent_are_those_of_the_time_before(db: Database) -> None:
    late = NOW + timedelta(seconds=1)
    answers.put(
        db,
        [
            answer("a", consent="opt-in"),
            answer("b"),
            answer("c", consent="opt-in", answered_at=late),
            answer("d", consent="opt-in", choice=1),
            answer("e", consent="opt-in"),
        ],
    )
    answers.redact(db, "e")
    assert [each.response_id for each in answers.consented(db, ["opt-in"], late)] == ["a"]
