"""Another server writes the answers; versions, ids, what is stored, feedback, limits and metrics stay in this one."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from starlette.testclient import TestClient

from feedback.store import answers, arrivals
from models.upstream_settings import KEY, UpstreamSettings
from serving.app import create_app
from serving.context import Serving
from tasks.people import keys
from tasks.state.workspace import Workspace
from tests.services.programs import free_port
from tests.serving.fake_openai import PIECES, FakeOpenAI, writing
from tests.serving.served import PROMPT, SETTINGS, listening, promote, ready, until
from tests.serving.test_chat import ask, expected, streamed

CHAT = "/v1/chat/completions"
TEXT = "".join(PIECES)


@pytest.fixture
def fake() -> Iterator[FakeOpenAI]:
    with writing(FakeOpenAI(models=["policy/1", "policy/2", "policy/3"])) as server:
        yield server


def parts(workspace: Workspace, url: str, **more: Any) -> Serving:
    upstream = UpstreamSettings(url=url, **more)
    return Serving.of(workspace, SETTINGS.model_copy(update={"upstream": upstream}))


@pytest.fixture
def serving(workspace: Workspace, fake: FakeOpenAI) -> Serving:
    """The parts of a server whose answers the fake writes."""
    return parts(workspace, fake.url, patience=20.0)


@contextmanager
def asking(serving: Serving) -> Iterator[OpenAI]:
    with listening(create_app(serving)) as address:
        ready(serving)
        with OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
            yield client


def test_an_answer_has_an_id_and_a_version_of_this_server_and_is_stored(
    serving: Serving, client: TestClient, fake: FakeOpenAI
) -> None:
    response = client.post(CHAT, json={"messages": PROMPT, "user": "ana", "seed": 7, "max_tokens": 500})
    body = response.json()
    assert body["choices"][0]["message"]["content"] == TEXT
    assert body["usage"] == {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}
    assert (body["model"], response.headers["x-rounds-version"]) == ("policy/1", "1")
    assert body["system_fingerprint"].startswith("policy-1-")
    assert "x-rounds-truncated-tokens" not in response.headers
    stored = answers.find(serving.storage.database(), [body["id"]])[body["id"]]
    assert (stored.text, stored.version, stored.annotator) == (TEXT, "1", "local:ana")
    assert (stored.finish, stored.tokens, stored.prompt_tokens) == ("stop", 7, 9)
    [asked] = fake.bodies
    assert (asked["model"], asked["seed"], asked["max_tokens"]) == ("policy/1", 7, 48), "48 is the version's limit"
    assert "user" not in asked
    text = client.get("/metrics").text
    assert 'rounds_serving_answers_total{finish="stop",version="1"} 1.0' in text
    assert 'rounds_serving_tokens_total{kind="answer",version="1"} 7.0' in text
    assert "rounds_serving_first_token_seconds_count 1.0" in text


def test_feedback_names_the_answer_by_its_id(serving: Serving, client: TestClient) -> None:
    identity = client.post(CHAT, json={"messages": PROMPT}).json()["id"]
    thumb = {"feedback": [{"response_id": identity, "thumb": "up"}]}
    assert client.post("/v1/feedback", json=thumb).json()["stored"] == 1
    [event] = arrivals.waiting_events(serving.storage.database(), [])
    assert [response.text for response in event.responses] == [TEXT]


def test_a_stream_is_stored_before_its_last_byte(serving: Serving) -> None:
    with asking(serving) as client:
        text = ""
        for chunk in ask(client, seed=7, stream=True, stream_options={"include_usage": True}):
            for choice in chunk.choices:
                text += choice.delta.content or ""
                if choice.finish_reason:
                    found = answers.find(serving.storage.database(), [chunk.id])[chunk.id]
                    assert (found.text, found.finish) == (TEXT, "stop")
        assert text == TEXT
        assert chunk.usage.completion_tokens == 7


def test_two_answers_are_of_two_versions_and_blinded(client: TestClient, fake: FakeOpenAI) -> None:
    body = client.post(CHAT, json={"messages": PROMPT, "side_by_side": "2"}).json()
    assert len(body["choices"]) == 2
    assert (body["model"], body["system_fingerprint"]) == ("side-by-side", None)
    assert {asked["model"] for asked in fake.bodies} == {"policy/1", "policy/2"}
    fake.bodies.clear()
    client.post(CHAT, json={"messages": PROMPT, "side_by_side": "sample", "seed": 7})
    assert [asked["model"] for asked in fake.bodies] == ["policy/1"] * 2
    assert len({asked["seed"] for asked in fake.bodies}) == 2


def test_the_next_answer_is_of_the_version_that_the_alias_names(
    workspace: Workspace, serving: Serving, client: TestClient, fake: FakeOpenAI
) -> None:
    promote(workspace, "2")
    ready(serving, "2")
    assert client.post(CHAT, json={"messages": PROMPT}).json()["model"] == "policy/2"
    assert fake.bodies[-1]["model"] == "policy/2"


def test_a_version_that_the_other_server_does_not_have_does_not_take_over(
    workspace: Workspace, serving: Serving, client: TestClient, fake: FakeOpenAI
) -> None:
    fake.models = ["policy/1"]
    refused = client.post(CHAT, json={"messages": PROMPT, "model": "2"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "version_unavailable")
    promote(workspace, "2")
    until(lambda: "has no model 'policy/2', but policy/1" in client.get("/health/ready").json()["following"])
    assert client.post(CHAT, json={"messages": PROMPT}).json()["model"] == "policy/1"
    fake.models = ["policy/1", "policy/2"]
    ready(serving, "2")


def test_a_server_that_is_away_at_the_start_and_in_between(workspace: Workspace) -> None:
    port = free_port()
    serving = parts(workspace, f"http://127.0.0.1:{port}/v1")
    with TestClient(create_app(serving)) as client:
        until(lambda: "does not answer (ConnectError" in client.get("/health/ready").json()["following"])
        refused = client.post(CHAT, json={"messages": PROMPT})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "no_champion")
        with writing(FakeOpenAI(), port):
            until(lambda: client.get("/health/ready").status_code == 200)
            assert client.post(CHAT, json={"messages": PROMPT}).status_code == 200
        until(lambda: client.get("/health/ready").status_code == 503)
        assert (
            f"upstream.url=http://127.0.0.1:{port}/v1: the server does not answer"
            in (client.get("/health/ready").json()["model"])
        )
        refused = client.post(CHAT, json={"messages": PROMPT})
        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == (503, "model_unavailable")
        assert str(port) not in error["message"], "the address is for operators"


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        ({"finish": None, "usage": None}, 503, "upstream_failed"),
        ({"event": '{"error": {"message": "no memory"}}'}, 503, "upstream_failed"),
        ({"status": 500}, 503, "upstream_failed"),
        ({"status": 404}, 503, "upstream_failed"),
        ({"status": 400, "body": '{"error": {"message": "too long"}}'}, 400, "invalid_value"),
    ],
)
def test_an_answer_that_fails_is_an_error_and_never_stored_as_whole(
    serving: Serving, client: TestClient, fake: FakeOpenAI, failure: dict[str, Any], status: int, code: str
) -> None:
    for name, value in failure.items():
        setattr(fake, name, value)
    refused = client.post(CHAT, json={"messages": PROMPT})
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
    with client.stream("POST", CHAT, json={"messages": PROMPT, "stream": True}) as stream:
        *_, last = [line.removeprefix("data: ") for line in stream.iter_lines() if line]
    error = json.loads(last)["error"]
    assert error["code"] == code
    assert fake.url not in error["message"]
    ends = serving.storage.database().read(
        lambda connection: connection.exec_driver_sql("select distinct finish from feedback_served_answers").all()
    )
    assert [tuple(row) for row in ends] == [("withdrawn",)]
    assert 'finish="stop"' not in client.get("/metrics").text


def test_a_server_that_says_nothing_more_ends_the_stream_with_an_error(workspace: Workspace, fake: FakeOpenAI) -> None:
    fake.hangs_after = 1
    serving = parts(workspace, fake.url, patience=0.5)
    with asking(serving) as client, pytest.raises(openai.APIError, match=r"sent nothing for 0\.5 s"):
        list(ask(client, stream=True))
    until(lambda: fake.open == 0)


def test_a_client_that_goes_away_ends_the_answer_there_too(serving: Serving, fake: FakeOpenAI) -> None:
    fake.hangs_after = 1
    with asking(serving) as client:
        stream = ask(client, stream=True)
        identity = next(iter(stream)).id
        until(lambda: fake.open == 1)
        stream.close()
        until(lambda: (fake.open, serving.follower.active, serving.follower.waiting) == (0, 0, 0))
        until(lambda: identity in answers.find(serving.storage.database(), [identity]))
    assert answers.find(serving.storage.database(), [identity])[identity].finish == "withdrawn"


def test_an_adapter_is_handed_over_and_again_after_the_other_server_has_forgotten_it(
    adapted: Workspace, tmp_path: Path
) -> None:
    promote(adapted, "4")
    with writing(FakeOpenAI(models=[])) as fake:
        serving = parts(adapted, fake.url, model="help-{digest}", adapters=str(tmp_path / "there"))
        with TestClient(create_app(serving)) as client:
            ready(serving, "4")
            [name] = fake.models
            assert fake.loaded == [str(tmp_path / "there" / name)]
            files = sorted(file.name for file in Path(fake.loaded[0]).iterdir())
            assert files == ["adapter_config.json", "adapter_model.safetensors"]
            assert client.post(CHAT, json={"messages": PROMPT}).json()["model"] == "policy/4"
            assert fake.bodies[-1]["model"] == name
            fake.models = []
            until(lambda: len(fake.loaded) == 2)
            until(lambda: client.get("/health/ready").status_code == 200)
            promote(adapted, "5")
            ready(serving, "5")
            until(lambda: fake.models == [Path(fake.loaded[-1]).name])
            assert [folder.name for folder in (tmp_path / "there").iterdir()] == list(fake.models)
            whole = client.post(CHAT, json={"messages": PROMPT, "model": "1"})
            assert "is a whole model, and only adapters can be handed over" in whole.json()["error"]["message"]


def test_a_second_server_of_this_project_writes_the_same_answers(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = Serving.of(workspace, SETTINGS)
    with listening(create_app(behind)) as address:
        ready(behind)
        monkeypatch.setenv(KEY, keys.make(workspace, "front", "client"))
        front = parts(workspace, f"{address}/v1")
        with listening(create_app(front)) as own:
            ready(front)
            secret = keys.make(workspace, "shop", "client")
            with OpenAI(base_url=f"{own}/v1", api_key=secret, max_retries=0) as client:
                whole = ask(client, seed=7)
                assert whole.choices[0].message.content == expected(workspace, 1, 7)
                assert streamed(ask(client, seed=7, stream=True))[0] == expected(workspace, 1, 7)
                promote(workspace, "2")
                ready(front, "2")
                assert ask(client, seed=7).choices[0].message.content == expected(workspace, 2, 7)
