"""Two answers side by side: on sides drawn at random, without their versions, and a vote on them is a comparison."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from feedback import live
from feedback.schema import FeedbackEvent
from feedback.store import answers, arrivals
from serving.context import Serving
from tests.serving.served import PROMPT


def ask(client: TestClient, status: int = 200, **fields: Any) -> Any:
    response = client.post("/v1/chat/completions", json={"messages": PROMPT, "max_tokens": 12, **fields})
    assert response.status_code == status, response.text
    assert "x-rounds-version" not in response.headers
    return response.json()


def versions(serving: Serving, identity: str) -> list[str]:
    """The versions from left to right."""
    return [answer.version for answer in answers.of_completion(serving.storage.database(), identity)]


def vote(serving: Serving, client: TestClient, identity: str, preferred: str) -> FeedbackEvent:
    body = {"feedback": [{"completion_id": identity, "preferred": preferred}], "user": "ana"}
    assert client.post("/v1/feedback", json=body).status_code == 200
    return arrivals.waiting_events(serving.storage.database(), [])[-1]


def test_two_versions_answer_on_random_sides_and_are_not_told(serving: Serving, client: TestClient) -> None:
    bodies = [ask(client, side_by_side="policy/2", max_tokens=2) for _ in range(24)]
    sides = {tuple(versions(serving, body["id"])) for body in bodies}
    stored = answers.of_completion(serving.storage.database(), bodies[0]["id"])
    assert [answer.compared for answer in stored] == ["2", "2"], "the number, however the request names it"
    assert sides == {("1", "2"), ("2", "1")}  # one in 8 million sets of sides is of one kind only
    for body in bodies:
        assert (body["model"], body["system_fingerprint"], len(body["choices"])) == ("side-by-side", None, 2)
        assert "policy" not in str(body)


@pytest.mark.parametrize(("preferred", "ranks"), [("left", (1, 2)), ("right", (2, 1))])
def test_a_vote_is_a_comparison_of_two_versions(
    serving: Serving, client: TestClient, preferred: str, ranks: tuple[int, int]
) -> None:
    identity = ask(client, side_by_side="2", seed=4)["id"]
    event = vote(serving, client, identity, preferred)
    shown = versions(serving, identity)
    assert [response.model_version for response in event.responses] == shown
    assert (event.judgements[0].ranks, event.shown_order) == (ranks, (0, 1))
    [comparison] = live.comparisons([event])
    winner = shown[ranks.index(1)]
    assert comparison.share == float(comparison.versions[0] == winner)


@pytest.mark.parametrize("other", ["sample", "champion", "1"])
def test_two_samples_of_one_version(serving: Serving, client: TestClient, other: str) -> None:
    body = ask(client, side_by_side=other, seed=4)
    first, second = (choice["message"]["content"] for choice in body["choices"])
    assert first != second
    assert versions(serving, body["id"]) == ["1", "1"]
    stored = answers.of_completion(serving.storage.database(), body["id"])
    assert {answer.compared for answer in stored} == {"sample" if other == "sample" else "1"}
    assert vote(serving, client, body["id"], "both_bad").judgements[0].outcome == "tie_both_bad"


def test_a_stream_has_both(serving: Serving, client: TestClient) -> None:
    body = {"messages": PROMPT, "max_tokens": 4, "side_by_side": "2", "stream": True}
    with client.stream("POST", "/v1/chat/completions", json=body) as stream:
        text = "".join(stream.iter_text())
    assert text.count('"finish_reason":"length"') + text.count('"finish_reason":"stop"') == 2
    assert "policy" not in text
    assert text.endswith("data: [DONE]\n\n")


def test_what_cannot_be_compared_is_refused(client: TestClient) -> None:
    assert ask(client, 400, side_by_side="2", n=2)["error"]["param"] == "n"
    assert ask(client, 404, side_by_side="9")["error"]["param"] == "side_by_side"
