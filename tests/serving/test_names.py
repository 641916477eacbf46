"""One rule for names, whoever asks for them: the login, a request for an answer, and feedback."""

import pytest
from pydantic import TypeAdapter, ValidationError
from starlette.testclient import TestClient

from serving.context import Serving
from serving.names import Name, is_name
from tests.serving.pages.browsing import heading, log_in
from tests.serving.test_feedback import answered, events, give

NAMES = {
    "an ideographic space": "山田\u3000太郎",
    "a no-break space": "Ana\u00a0María",
    "a joiner": "علی\u200cرضا",
    "an emoji of several": "👩\u200d🔬",
}
NO_NAMES = ["", " ", "\u3000", "\u200c", "a\nb", "a\u0085b", "a\u202eb", "a\u200bb", "a\u2028b", "\ufeffa", "a" * 201]


@pytest.mark.parametrize("name", [*NAMES.values(), "ana", "a" * 200, "0"])
def test_a_name_is_text_in_any_script(name: str) -> None:
    assert is_name(name)
    assert TypeAdapter(Name).validate_python(name) == name


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_blank_or_invisible_or_turns_text_round_is_no_name(name: str) -> None:
    """Pydantic's engine for patterns and Python's say the same."""
    assert not is_name(name)
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(name)


def test_a_name_has_a_length_and_is_text() -> None:
    assert [is_name("abc", longest=3), is_name("abcd", longest=3), is_name(7), is_name("a\ud800")] == [
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_who_asks_with_a_name_judges_and_logs_in_with_it(serving: Serving, client: TestClient, name: str) -> None:
    identity = answered(client, user=name)
    assert give(client, {"response_id": identity, "thumb": "up", "user": name})["stored"] == 1
    assert [event.annotator_id for event in events(serving)] == [f"local:{name}"]
    assert heading(log_in(client, name=name)) == "Nothing to label now"


@pytest.mark.parametrize("name", ["\u3000", "a\u202eb", "a\u200bb"])
def test_what_is_no_name_is_refused_everywhere(client: TestClient, name: str) -> None:
    asked = client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "hi"}], "user": name})
    assert asked.status_code == 400
    record = {"prompt": "Is it open?", "completion": "Yes.", "label": True, "user": name}
    [result] = give(client, record)["results"]
    assert result["reason"].startswith("user is no name, expected 1 to 200 visible characters")
    assert log_in(client, name=name).status_code == 403
