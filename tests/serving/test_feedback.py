"""Feedback over HTTP: every form, about served answers and free-standing, stored once, each record with its result."""

import threading
from typing import Any

import pytest
from starlette.testclient import TestClient

from feedback import store
from feedback.schema import FeedbackEvent, event_id
from feedback.store import answers, arrivals
from feedback.votes import effective
from serving.context import Serving
from serving.feedback import NOT_OWN
from tasks.state import intake, tombstones
from tasks.state.intake import IngestSettings
from tasks.state.workspace import Workspace
from tasks.tools import announcing_readiness
from tasks.tools import events as prefect_events
from tests.serving.served import PROMPT


def answered(client: TestClient, **fields: Any) -> str:
    """The id of a new answer; without a seed, it could be one that cannot be judged, such as a blank one."""
    response = client.post("/v1/chat/completions", json={"messages": PROMPT, "max_tokens": 12, "seed": 7, **fields})
    identity: str = response.json()["id"]
    return identity


def give(client: TestClient, *records: dict[str, Any], status: int = 200, **fields: Any) -> dict[str, Any]:
    headers = fields.pop("headers", {})
    response = client.post("/v1/feedback", json={"feedback": records, **fields}, headers=headers)
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    return body


def events(serving: Serving) -> list[FeedbackEvent]:
    return arrivals.waiting_events(serving.storage.database(), [])


FORMS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "thumb": ({"thumb": "down"}, "binary", {"scores": (0.0,), "scale_min": 0.0, "scale_max": 1.0}),
    "rating": ({"rating": 4, "scale": [1, 5]}, "rating", {"scores": (4.0,), "scale_min": 1.0, "scale_max": 5.0}),
    "critique": ({"critique": "Too long."}, "critique", {"rationale": "Too long."}),
    "label": ({"label": "harmful", "tags": ["rude"]}, "label", {"label": "harmful", "tags": ("rude",)}),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_statement_on_one_answer(serving: Serving, client: TestClient, form: str) -> None:
    said, kind, judged = FORMS[form]
    identity = answered(client, seed=7, user="bo", metadata={"consent": "opt-in"})
    result = give(client, {"response_id": identity, "user": "ana", **said})
    [event] = events(serving)
    assert result["results"] == [{"result": "stored", "feedback_id": event.feedback_id, "reason": None}]
    assert event.kind == kind
    [judgement] = event.judgements
    assert {name: getattr(judgement, name) for name in judged} == judged
    [response] = event.responses
    stored = answers.find(serving.storage.database(), [identity])[identity]
    assert (response.response_id, response.model_version, response.text) == (identity, "1", stored.text)
    assert (event.annotator_id, event.annotator_type, event.consent) == ("local:ana", "human", "opt-in")


def test_a_correction_prefers_the_edited_answer(serving: Serving, client: TestClient) -> None:
    identity = answered(client)
    give(client, {"response_id": identity, "correction": "It is on its way."})
    [event] = events(serving)
    assert [(response.origin, response.parent_ix) for response in event.responses] == [
        ("model", None),
        ("human_edit", 0),
    ]
    assert event.responses[1].text == "It is on its way."


def test_a_demonstration_has_the_prompt_of_the_answer(serving: Serving, client: TestClient) -> None:
    give(client, {"response_id": answered(client), "demonstration": "It is on its way."})
    [event] = events(serving)
    assert (event.kind, event.prompt[0].content) == ("demonstration", "where is my parcel")
    assert [(response.text, response.origin) for response in event.responses] == [("It is on its way.", "human")]


@pytest.mark.parametrize(
    ("preferred", "outcome", "ranks"),
    [
        ("second", "prefer", (2, 1)),
        ("tie", "tie", None),
        ("both_bad", "tie_both_bad", None),
        ("left", "prefer", (1, 2)),
    ],
)
def test_a_comparison_of_two_answers(
    serving: Serving, client: TestClient, preferred: str, outcome: str, ranks: tuple[int, ...] | None
) -> None:
    ids = [answered(client, seed=seed) for seed in (1, 2)]
    said = ids[1] if preferred == "second" else preferred
    give(client, {"response_ids": ids, "preferred": said, "strength": 2, "strength_max": 3})
    [event] = events(serving)
    [judgement] = event.judgements
    assert (event.kind, judgement.outcome, judgement.ranks, judgement.strength) == ("comparison", outcome, ranks, 2.0)
    assert [response.response_id for response in event.responses] == ids


def test_a_ranking_of_three_answers_to_one_request(serving: Serving, client: TestClient) -> None:
    identity = answered(client, n=3, seed=1)
    give(client, {"completion_id": identity, "ranks": [2, 1, 3]})
    [event] = events(serving)
    assert (event.kind, event.judgements[0].ranks, event.shown_order) == ("ranking", (2, 1, 3), (0, 1, 2))


def test_a_record_that_is_free_standing(serving: Serving, client: TestClient) -> None:
    record = {"prompt": "Is it open?", "chosen": "Yes, until six.", "rejected": "Why?", "annotator_id": "boss"}
    give(client, {**record, "id": "r1"}, user="ana")
    [event] = events(serving)
    assert (event.kind, event.annotator_id, event.source, event.source_id) == ("comparison", "local:ana", "http", "r1")
    assert [response.model_version for response in event.responses] == [None, None]


def test_what_cannot_be_used_is_named_and_does_not_keep_the_others_out(serving: Serving, client: TestClient) -> None:
    identity = answered(client)
    result = give(
        client,
        {"response_id": identity, "thumb": "sideways"},
        {"response_id": "chatcmpl-nobody", "thumb": "up"},
        {"response_id": identity, "thumb": "up"},
        {"response_id": identity, "rating": 9},
        {"completion_id": identity, "preferred": "left"},
        {"what": "is this"},
    )
    assert (result["stored"], result["refused"]) == (1, 5)
    reasons = [each["reason"] for each in result["results"]]
    assert [reason is None for reason in reasons] == [False, False, True, False, False, False]
    assert "thumb" in reasons[0]
    assert "there is no answer 'chatcmpl-nobody'" in reasons[1]
    assert "expected a number from 1 to 5" in reasons[3]
    assert "is no request with several answers" in reasons[4]
    assert len(events(serving)) == 1


def test_a_batch_of_bad_records_has_all_reasons(client: TestClient) -> None:
    body = give(client, {"response_id": "x", "thumb": "up"}, {"thumb": "up"})
    assert (body["stored"], body["refused"]) == (0, 2)


def test_a_batch_that_is_sent_again_is_stored_once(serving: Serving, client: TestClient) -> None:
    records = [{"response_id": answered(client, seed=seed), "thumb": "up"} for seed in (1, 2)]
    first = give(client, *records, headers={"Idempotency-Key": "k1"})
    assert give(client, *records, headers={"Idempotency-Key": "k1"}) == first
    assert len(events(serving)) == 2
    assert give(client, *records, headers={"Idempotency-Key": "k2"})["stored"] == 2
    assert len(events(serving)) == 4


def test_an_id_stands_for_one_content(serving: Serving, client: TestClient) -> None:
    identity = answered(client)
    give(client, {"id": "t1", "response_id": identity, "thumb": "up"})
    body = give(client, {"id": "t1", "response_id": identity, "thumb": "down"})
    assert "is already stored with other content" in body["results"][0]["reason"]
    give(client, {"id": "t1", "response_id": identity, "thumb": "down", "user": "bo"})
    assert len(events(serving)) == 2


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"response_id": "a", "thumb": "up", "rating": 3}, "expected exactly one of thumb, rating"),
        ({"response_id": "a"}, "found none"),
        ({"response_ids": ["a", "b"], "thumb": "up"}, "only preferred and ranks are about several answers"),
        ({"response_id": "a", "preferred": "left"}, "preferred and ranks are about several answers"),
        ({"response_id": "a", "thumb": "up", "mood": "good"}, "mood"),
    ],
)
def test_a_statement_says_one_thing(client: TestClient, record: dict[str, Any], reason: str) -> None:
    assert reason in give(client, record)["results"][0]["reason"]


def test_answers_to_different_prompts_are_not_compared(client: TestClient) -> None:
    ids = [answered(client), answered(client, messages=[{"role": "user", "content": "thank you"}])]
    body = give(client, {"response_ids": ids, "preferred": "left"})
    assert "different prompts" in body["results"][0]["reason"]


def test_a_redacted_answer_cannot_be_judged(serving: Serving, client: TestClient) -> None:
    identity = answered(client)
    answers.redact(serving.storage.database(), identity)
    body = give(client, {"response_id": identity, "thumb": "up"})
    assert "was removed on request" in body["results"][0]["reason"]


def test_a_person_changes_what_was_said_before(serving: Serving, client: TestClient) -> None:
    """In the database, and after a round has taken it in."""
    identity = answered(client)
    first = give(client, {"response_id": identity, "thumb": "up"}, user="ana")["results"][0]["feedback_id"]
    record = {"response_id": identity, "thumb": "down", "supersedes": first}
    second = give(client, record, user="ana", headers={"Idempotency-Key": "k"})["results"][0]
    assert give(client, record, user="ana", headers={"Idempotency-Key": "k"})["results"] == [second]
    [counts] = effective(intake.waiting_events(serving.workspace))
    assert (counts.feedback_id, counts.supersedes, counts.judgements[0].scores) == (
        second["feedback_id"],
        first,
        (0.0,),
    )
    store.append(serving.workspace.feedback, events(serving), 0)
    serving.storage.database().write(lambda connection: connection.exec_driver_sql("delete from feedback_events"))
    third = {**record, "thumb": "up", "supersedes": second["feedback_id"]}
    assert give(client, third, user="ana")["stored"] == 1


def test_a_free_standing_record_supersedes_too_also_one_of_its_batch(serving: Serving, client: TestClient) -> None:
    record = {"prompt": "Is it open?", "chosen": "Yes, until six.", "rejected": "Why?", "id": "r1"}
    skip = {"prompt": "Is it open?", "responses": ["Yes, until six.", "Why?"], "judgements": [{"outcome": "skip"}]}
    first = event_id("http", "r1", "local:ana")
    result = give(client, record, {**skip, "kind": "comparison", "supersedes": first}, user="ana")
    assert result["stored"] == 2
    [counts] = effective(intake.waiting_events(serving.workspace))
    assert counts.judgements[0].outcome == "skip"


def test_nobody_changes_what_others_said(serving: Serving, client: TestClient) -> None:
    """The reason is the same as for an unknown id, and for a record that names itself."""
    identity = answered(client)
    first = give(client, {"response_id": identity, "thumb": "up"}, user="ana")["results"][0]["feedback_id"]
    record = {"response_id": identity, "thumb": "down"}
    result = give(
        client,
        {**record, "supersedes": first},
        {**record, "supersedes": "0" * 64},
        {**record, "supersedes": event_id("http", "self", "local:bo"), "id": "self"},
        record,
        user="bo",
    )
    assert [each["result"] for each in result["results"]] == ["refused"] * 3 + ["stored"]
    assert {each["reason"] for each in result["results"][:3]} == {NOT_OWN}
    assert [event.annotator_id for event in effective(events(serving))] == ["local:ana", "local:bo"]


def test_no_more_than_a_thousand_records_are_taken_at_once(client: TestClient) -> None:
    body = give(client, *[{"response_id": "a", "thumb": "up"}] * 1001, status=400)
    assert body["error"]["param"] == "feedback"


def test_what_a_forgotten_person_says_is_refused(serving: Serving, client: TestClient) -> None:
    identity = answered(client)
    tombstones.add(serving.workspace, "local:ana", "boss", "asked", (), ())
    told = give(
        client,
        {"response_id": identity, "user": "ana", "thumb": "up"},
        {"response_id": identity, "user": "bo", "thumb": "up"},
    )
    assert [result["result"] for result in told["results"]] == ["refused", "stored"]
    assert [event.annotator_id for event in events(serving)] == ["local:bo"]


def test_enough_usable_feedback_is_told_to_prefect(
    serving: Serving, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two pairs start a round; the thumbs between them teach nothing, for no other thumb makes a pair with them."""
    took: list[tuple[str, int]] = []

    def sent(name: str, resource: dict[str, str], payload: dict[str, int]) -> bool:
        took.append((name, payload["pending"]))
        return True

    monkeypatch.setattr(prefect_events, "configured", lambda: True)
    monkeypatch.setattr(prefect_events, "_send", sent)
    monkeypatch.setattr(announcing_readiness, "GATHERED", 0.0)
    monkeypatch.setattr(announcing_readiness, "REST", 0.0)
    monkeypatch.setattr(intake, "settings", lambda *_: IngestSettings(threshold=2))
    pair = {"prompt": "Is it open?", "chosen": "Yes, until six.", "rejected": "Why?"}
    thumb = {"prompt": "Is it far?", "completion": "A mile.", "label": True}
    for record in (pair, thumb, thumb, pair | {"prompt": "Is it closed?"}):
        assert took == []
        assert give(client, record)["stored"] == 1
        for thread in threading.enumerate():
            if thread.name == "announcing readiness":
                thread.join()
    assert took == [("feedback.threshold_reached", 2)]


def test_without_the_database_nothing_is_acknowledged(serving: Serving, client: TestClient) -> None:
    identity = answered(client)
    serving.storage.database().write(lambda connection: connection.exec_driver_sql("drop table feedback_events"))
    body = give(client, {"response_id": identity, "thumb": "up"}, status=503)
    assert body["error"]["code"] == "no_database"


def test_a_workspace_that_cannot_be_read_is_told_and_can_be_mended(workspace: Workspace, client: TestClient) -> None:
    record = {"prompt": "Is it open?", "completion": "Yes.", "label": True}
    part = workspace.feedback / "part-00001-0.parquet"
    workspace.params.write_text("ingest: {threshhold: 3}\n", encoding="utf-8")
    refused = client.post("/v1/feedback", json={"feedback": [record]})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "bad_workspace")
    assert "ingest.threshhold" in refused.json()["error"]["message"]
    assert refused.headers["retry-after"] == "30"
    workspace.params.write_text("", encoding="utf-8")
    part.parent.mkdir(exist_ok=True)
    part.write_bytes(b"PAR1, and the rest is lost")
    message = give(client, record, status=503)["error"]["message"]
    assert f"{part} cannot be read as feedback" in message
    part.unlink()
    assert give(client, record)["stored"] == 1
