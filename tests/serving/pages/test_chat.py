"""The chat page: one answer or two, and what an operator says of them, stored as feedback."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving.app import create_app
from serving.context import Serving
from serving.pages.chat import compared
from tasks.people import keys
from tasks.state import feedback_database
from tasks.state.workspace import Workspace
from tests.serving import served
from tests.serving.pages.browsing import heading, log_in, submit
from tests.workspaces import moved

QUESTION = "where is my <b>parcel</b>"


@pytest.fixture
def workspace(three_versions: Workspace, tmp_path: Path) -> Workspace:
    """Versions 1, 2 and 3 of random weights; 1 is champion."""
    return moved(three_versions, tmp_path / "workspace")


@pytest.fixture
def client(serving: Serving) -> Iterator[TestClient]:
    """The app in this process, with version 1."""
    with TestClient(create_app(serving)) as opened:
        served.ready(serving)
        yield opened


def said(workspace: Workspace) -> list[dict[str, Any]]:
    with feedback_database.opened(workspace) as database:
        rows = database.read(
            lambda connection: connection.exec_driver_sql("select event from feedback_events order by arrival").all()
        )
    return [json.loads(row[0]) for row in rows]


def test_an_annotator_does_not_chat_here(client: TestClient, workspace: Workspace) -> None:
    log_in(client, key=keys.make(workspace, "ana", "annotator"))
    assert client.get("/chat").status_code == 403


def test_one_answer_gets_a_thumb(client: TestClient, workspace: Workspace) -> None:
    log_in(client, name="ana")
    page = client.get("/chat")
    assert [name in page.text for name in ("champion", "policy/1", "policy/3")] == [True] * 3
    answered = submit(client, page, "/chat", question=QUESTION, model="policy/2", other="")
    assert "where is my &lt;b&gt;parcel&lt;/b&gt;" in answered.text
    assert "<h3>policy/2</h3>" in answered.text
    assert answered.text.count("<svg ") == 2  # the thumbs
    stored = submit(client, answered, "/chat/feedback", said="up")
    assert "Stored for the next round." in stored.text
    submit(client, answered, "/chat/feedback", said="up")  # sent twice
    [event] = said(workspace)
    assert (event["kind"], event["responses"][0]["model_version"]) == ("binary", "2")
    assert event["annotator_id"] == "local:ana"


def test_two_answers_are_compared_without_their_versions(client: TestClient, workspace: Workspace) -> None:
    log_in(client, name="ana")
    answered = submit(client, client.get("/chat"), "/chat", question=QUESTION, model="policy/1", other="policy/2")
    articles = answered.text.partition("<section")[2].partition("</section>")[0]
    assert re.findall(r"<h3>(.*?)</h3>", articles) == ["Left", "Right"]
    assert "policy/" not in articles
    assert re.findall(r'name="said" value="(\w+)"', answered.text) == ["left", "tie", "both_bad", "right"]
    submit(client, answered, "/chat/feedback", said="left")
    [event] = said(workspace)
    assert event["kind"] == "comparison"
    assert {response["model_version"] for response in event["responses"]} == {"1", "2"}


def test_another_button_after_going_back_replaces_what_was_said(client: TestClient, workspace: Workspace) -> None:
    log_in(client, name="ana")
    answered = submit(client, client.get("/chat"), "/chat", question=QUESTION, model="champion", other="")
    for thumb in ("up", "up", "down", "down", "up"):
        assert "Stored for the next round." in submit(client, answered, "/chat/feedback", said=thumb).text
    events = said(workspace)
    assert [event["judgements"][0]["scores"] for event in events] == [[1.0], [0.0], [1.0]]
    assert [event.get("supersedes") for event in events] == [None, *(event["feedback_id"] for event in events[:2])]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (("Yes.", "No."), ["left", "tie", "both_bad", "right"]),
        (("Yes.", "yes. "), ["tie", "both_bad"]),
        (("", ""), ["tie", "both_bad"]),
    ],
)
def test_of_two_answers_with_the_same_text_none_can_be_better(answers: tuple[str, str], said: list[str]) -> None:
    assert list(compared(answers)) == said


@pytest.mark.parametrize(
    ("fields", "status"), [({"question": " "}, 400), ({"question": "hi", "model": "policy/99"}, 404)]
)
def test_a_question_that_cannot_be_answered_says_why(client: TestClient, fields: dict[str, str], status: int) -> None:
    log_in(client, name="ana")
    answered = submit(client, client.get("/chat"), "/chat", **fields)
    assert answered.status_code == status
    assert heading(answered)


def test_nothing_is_said_of_an_answer_that_does_not_exist(client: TestClient, workspace: Workspace) -> None:
    log_in(client, name="ana")
    answered = submit(client, client.get("/chat"), "/chat", question=QUESTION, model="champion", other="")
    assert submit(client, answered, "/chat/feedback", said="up", id="chatcmpl-none").status_code == 400
    assert submit(client, answered, "/chat/feedback", said="perhaps").status_code == 400
    assert said(workspace) == []
