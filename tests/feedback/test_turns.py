"""Which turns are the prompt, and which one is the answer."""

from typing import Any

import pytest

from core.errors import BadFeedback
from feedback.turns import conversations

Turns = list[dict[str, Any]]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


SYSTEM = {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    ("prompt", "chosen", "rejected", "expected"),
    [
        ("Q?", "A", "B", ["Q?"]),
        ("Q?", [user("Q?"), assistant("A")], "B", ["Q?"]),
        ("Q?", [user("q? "), assistant("A")], [assistant("B")], ["Q?"]),
        ("Q?", [user("Q?"), assistant("x"), user("y"), assistant("A")], [assistant("x"), user("y"), assistant("B")],
         ["Q?", "x", "y"]),
        ("Q?", [SYSTEM, user("Q?"), assistant("A")], [SYSTEM, user("Q?"), assistant("B")], ["Be brief.", "Q?"]),
        (None, [user("Q?"), assistant("A")], [user("Q?"), assistant("B")], ["Q?"]),
        ("Q?", "A", "A", ["Q?"]),
    ],
)  # fmt: skip
def test_the_prompt_is_the_common_beginning(prompt: object, chosen: object, rejected: object, expected: Any) -> None:
    read = conversations(prompt, {"chosen": chosen, "rejected": rejected})
    assert [turn.content for turn in read.prompt] == expected
    assert [answer.content for answer in read.answers.values()] in (["A", "B"], ["A", "A"])


@pytest.mark.parametrize(
    ("prompt", "chosen", "reason"),
    [
        ("Q?", [user("Other?"), assistant("A")], "chosen is a conversation that does not begin with the prompt"),
        ("Q?", [user("Q?")], "ends with another turn"),
        ("Q?", [assistant("A"), user("y"), assistant("C")], "chosen has 3 turns after the common beginning"),
        (None, [user("Other?"), assistant("A")], "begin with different turns"),
        ("Q?", [{"role": "assistant", "content": [{"type": "image_url"}]}], "has a part that is no text"),
    ],
)
def test_what_is_no_answer_to_the_prompt(prompt: object, chosen: object, reason: str) -> None:
    rejected = "B" if prompt else [user("Q?"), assistant("B")]
    with pytest.raises(BadFeedback, match=reason):
        conversations(prompt, {"chosen": chosen, "rejected": rejected})


def test_a_demonstration_is_the_last_turn() -> None:
    read = conversations(None, {"messages": [user("Q?"), assistant("x"), user("y"), assistant("A")]})
    assert ([turn.content for turn in read.prompt], read.answers["messages"].content) == (["Q?", "x", "y"], "A")


def test_other_keys_roles_and_parts_of_a_turn_are_kept() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    prompt = [{"role": "developer", "content": "x"}, {"role": "user", "content": parts, "name": "bo"}]
    read = conversations(prompt, {"chosen": "A"})
    assert [(turn.role, turn.content) for turn in read.prompt] == [("system", "x"), ("user", "a\nb")]
    assert read.kept == {"prompt[0]": {"role": "developer"}, "prompt[1]": {"name": "bo", "content": parts}}


HH = "\n\nHuman: Q?\n\nAssistant: x\n\nHuman: y\n\nAssistant:"


@pytest.mark.parametrize(
    ("prompt", "chosen", "expected"),
    [
        (HH, " A", ["Q?", "x", "y"]),
        ("\n\nHuman: Q?", "\n\nAssistant: A", ["Q?"]),
        ("Q?", "\n\nHuman: Q?\n\nAssistant: A", ["Q?"]),
        (HH, HH + " A", ["Q?", "x", "y"]),
        ('[{"role": "user", "content": "Q?"}]', '[{"role": "assistant", "content": "A"}]', ["Q?"]),
        ("Q?", '[{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "A"}]', ["Q?"]),
        (None, "\n\nHuman: Q?\n\nAssistant: A", ["Q?"]),
    ],
)
def test_transcripts_and_json_are_read_as_turns(prompt: object, chosen: str, expected: list[str]) -> None:
    read = conversations(prompt, {"chosen": chosen})
    assert [turn.content for turn in read.prompt] == expected
    assert [turn.role for turn in read.prompt] == ["user", "assistant", "user"][: len(expected)]
    assert (read.answers["chosen"].role, read.answers["chosen"].content) == ("assistant", "A")


@pytest.mark.parametrize("answer", ["[1, 2]", "[x](y)", "[]", '[{"role": "user"}]', "A\n\nHuman: y"])
def test_other_texts_stay_as_they_are(answer: str) -> None:
    assert conversations("Q?", {"chosen": answer}).answers["chosen"].content == answer


@pytest.mark.parametrize(
    ("prompt", "chosen", "reason"),
    [
        ("Tell me a joke", "\n\nHuman: Q one?\n\nAssistant: A", "chosen is a conversation that does not begin with"),
        ("Q?", "\n\nHuman: Q?\n\nAssistant:", "chosen ends with another turn"),
        ("\n\nHuman: \n\nAssistant:", "A", "prompt: turn 1 of 1 is empty"),
        ("Q?", '[{"role": "user", "content": "Other?"}, {"role": "assistant", "content": "A"}]', "does not begin with"),
    ],
)
def test_a_transcript_of_another_conversation_is_refused(prompt: str, chosen: str, reason: str) -> None:
    with pytest.raises(BadFeedback, match=reason):
        conversations(prompt, {"chosen": chosen})
