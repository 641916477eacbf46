"""Chat, with the official client of OpenAI over a real socket, and in this process."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from starlette.testclient import TestClient

from feedback.store import answers, keys
from models.loading import Loader
from models.rollout import SamplingSettings, sample
from models.seeding import generator
from models.tokens import decode_answer, encode_prompts
from serving.app import create_app
from serving.context import Serving
from tasks.registry.alias import Registry
from tasks.state import feedback_database, tombstones
from tasks.state.workspace import Workspace
from tests.models.held import Held
from tests.serving.served import PROMPT, SECONDS, SETTINGS, decoder_of, listening, policy_folder, promote, ready, until

LATER = datetime(2999, 1, 1, tzinfo=UTC)


@pytest.fixture
def asking(serving: Serving) -> Iterator[OpenAI]:
    with listening(create_app(serving)) as address:
        ready(serving)
        with OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
            yield client


def expected(workspace: Workspace, number: int, seed: int, limit: int = 48) -> str:
    """The text that a rollout of the version has for the prompt and the seed."""
    policy = Loader(lambda digest: policy_folder(workspace, number)).policy(policy_folder(workspace, number))
    prompt = encode_prompts(policy.tokenizer, [PROMPT], 64)[0].ids
    rollout = sample(policy, [prompt], SamplingSettings(), limit, generator(seed))
    return decode_answer(policy.tokenizer, rollout.batch.ids[0][rollout.batch.response[0]].tolist())


def ask(client: OpenAI, **fields: Any) -> Any:
    return client.chat.completions.create(model=fields.pop("model", "champion"), messages=PROMPT, **fields)  # type: ignore[arg-type]  # plain dictionaries


def streamed(chunks: Any) -> tuple[str, list[str]]:
    """The text of a stream, and the reasons why its answers ended."""
    text, reasons = "", []
    for chunk in chunks:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            reasons += [choice.finish_reason] if choice.finish_reason else []
    return text, reasons


def test_an_answer_is_that_of_a_rollout(workspace: Workspace, asking: OpenAI) -> None:
    completion = ask(asking, seed=7)
    [choice] = completion.choices
    assert choice.message.content == expected(workspace, 1, 7)
    assert completion.model == "policy/1"
    assert completion.system_fingerprint.startswith("policy-1-")
    usage = completion.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert 1 <= usage.completion_tokens <= 48


def test_a_stream_has_the_same_text(asking: OpenAI) -> None:
    whole = ask(asking, seed=7).choices[0]
    chunks = list(ask(asking, seed=7, stream=True, stream_options={"include_usage": True}))
    assert streamed(chunks) == (whole.message.content, [whole.finish_reason])
    assert len(chunks) > 5
    assert chunks[-1].usage.completion_tokens >= len(chunks) // 10
    assert {chunk.model for chunk in chunks} == {"policy/1"}


def test_several_answers_differ_and_each_has_an_id(asking: OpenAI) -> None:
    completion = ask(asking, n=3, seed=1)
    assert len({choice.message.content for choice in completion.choices}) == 3
    first = completion.id
    assert [choice.response_id for choice in completion.choices] == [first, f"{first}-1", f"{first}-2"]


def test_concurrent_requests_get_their_own_answers(workspace: Workspace, asking: OpenAI) -> None:
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda seed: ask(asking, seed=seed).choices[0].message.content, range(8)))
    assert texts == [expected(workspace, 1, seed) for seed in range(8)]


def test_a_limit_ends_an_answer(asking: OpenAI) -> None:
    completion = ask(asking, seed=7, max_tokens=3)
    assert (completion.usage.completion_tokens, completion.choices[0].finish_reason) == (3, "length")
    assert ask(asking, seed=7, max_completion_tokens=2).usage.completion_tokens == 2
    assert ask(asking, seed=7, max_tokens=10**6).usage.completion_tokens <= 48


def test_a_stop_sequence_ends_an_answer(asking: OpenAI) -> None:
    text = ask(asking, seed=7).choices[0].message.content
    stop = text[4:6]
    for cut in (
        ask(asking, seed=7, stop=stop).choices[0].message.content,
        streamed(ask(asking, seed=7, stop=[stop], stream=True))[0],
    ):
        assert cut == text[: text.index(stop)].rstrip()


def test_a_version_can_be_named(workspace: Workspace, asking: OpenAI) -> None:
    completion = ask(asking, model="policy/2", seed=7)
    assert (completion.model, completion.choices[0].message.content) == ("policy/2", expected(workspace, 2, 7))


def test_versions_are_listed(asking: OpenAI) -> None:
    assert [model.id for model in asking.models.list()] == ["champion", "policy/3", "policy/2", "policy/1"]
    assert asking.models.retrieve("policy/2").id == "policy/2"
    with pytest.raises(openai.NotFoundError):
        asking.models.retrieve("policy/9")


def test_an_alias_that_moves_in_a_stream_changes_the_next_answer(
    workspace: Workspace, serving: Serving, asking: OpenAI
) -> None:
    with serving.follower.lease("1") as version, Held(decoder_of(version)) as held:
        stream = ask(asking, seed=7, stream=True)
        first = next(iter(stream))
        promote(workspace, "2")
        ready(serving, "2")
        assert ask(asking, seed=7).choices[0].message.content == expected(workspace, 2, 7)
        held.release()
        text, reasons = streamed([first, *stream])
    assert text == expected(workspace, 1, 7)
    assert len(reasons) == 1
    until(lambda: serving.follower.state.loaded == ("2",))


def test_a_client_that_goes_away_frees_its_place_and_what_it_saw_is_stored(serving: Serving, asking: OpenAI) -> None:
    with serving.follower.lease("1") as version, Held(decoder_of(version)) as held:
        stream = ask(asking, seed=7, stream=True)
        identity = next(iter(stream)).id
        stream.close()
        until(lambda: serving.follower.waiting == 1)
        until(lambda: identity in answers.find(serving.storage.database(), [identity]))
        held.release()
    stored = answers.find(serving.storage.database(), [identity])[identity]
    assert (stored.finish, stored.version) == ("withdrawn", "1")
    until(lambda: (serving.follower.waiting, serving.follower.active) == (0, 0))


def test_an_answer_is_stored_with_who_asked(workspace: Workspace, client: TestClient) -> None:
    metadata = {"consent": "opt-in"}
    response = client.post(
        "/v1/chat/completions", json={"messages": PROMPT, "user": "ana", "metadata": metadata, "seed": 7}
    )
    body = response.json()
    with feedback_database.opened(workspace) as database:
        stored = answers.find(database, [body["id"]])[body["id"]]
    assert stored.text == body["choices"][0]["message"]["content"]
    assert [(turn.role, turn.content) for turn in stored.prompt] == [("user", "where is my parcel")]
    assert (stored.annotator, stored.version, stored.consent) == ("local:ana", "1", "opt-in")
    assert (stored.facts["seed"], stored.tokens) == (7, body["usage"]["completion_tokens"])
    assert response.headers["x-rounds-version"] == "1"
    assert response.headers["x-rounds-response-id"] == body["id"]


def test_a_forgotten_person_who_comes_back_is_told_so_and_nothing_of_theirs_is_stored(
    workspace: Workspace, client: TestClient
) -> None:
    body = {"messages": PROMPT, "max_tokens": 2, "user": "ana"}
    assert client.post("/v1/chat/completions", json=body).status_code == 200
    tombstones.add(workspace, "local:ana", "boss", "asked", (), (), purged=True)
    for stream in (False, True):
        refused = client.post("/v1/chat/completions", json={**body, "stream": stream})
        error = refused.json()["error"]
        assert (refused.status_code, error["code"], error["param"]) == (403, "forgotten", "user")
        assert "local:ana was forgotten" in error["message"]
    with feedback_database.opened(workspace) as database:
        assert len(answers.consented(database, [answers.NO_CONSENT], LATER)) == 1
    assert client.post("/v1/chat/completions", json={**body, "user": "ana 2"}).status_code == 200


def test_an_answer_to_a_person_who_is_forgotten_while_it_is_written_is_not_stored(
    workspace: Workspace, asking: OpenAI
) -> None:
    stream = ask(asking, stream=True, user="ana", max_tokens=48)
    next(iter(stream))
    tombstones.add(workspace, "local:ana", "boss", "asked", (), (), purged=True)
    with pytest.raises(openai.APIError, match="was forgotten"):
        list(stream)
    with feedback_database.opened(workspace) as database:
        assert answers.consented(database, [answers.NO_CONSENT], LATER) == []


def test_a_streamed_answer_is_durable_before_its_last_byte(serving: Serving, asking: OpenAI) -> None:
    for chunk in ask(asking, seed=7, stream=True):
        if chunk.choices and chunk.choices[0].finish_reason:
            assert chunk.id in answers.find(serving.storage.database(), [chunk.id])


def test_without_the_database_nobody_gets_an_answer(serving: Serving, client: TestClient) -> None:
    serving.storage.database().write(
        lambda connection: connection.exec_driver_sql("drop table feedback_served_answers")
    )
    response = client.post("/v1/chat/completions", json={"messages": PROMPT})
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "no_database"
    with client.stream("POST", "/v1/chat/completions", json={"messages": PROMPT, "stream": True}) as stream:
        lines = [line for line in stream.iter_lines() if line]
    assert "[DONE]" not in lines[-1]
    assert json.loads(lines[-1].removeprefix("data: "))["error"]["code"] == "no_database"


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"top_k": 3}, "top_k", "unknown_parameter"),
        ({"top_p": 0.5}, "top_p", "invalid_value"),
        ({"temperature": 3}, "temperature", "invalid_value"),
        ({"n": 9}, "n", "invalid_value"),
        ({"messages": []}, "messages", "invalid_value"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages.0.content", "invalid_value"),
        ({"messages": [*PROMPT, {"role": "assistant", "content": "Yes"}]}, "messages", "invalid_value"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role", "invalid_value"),
    ],
)
def test_a_request_that_cannot_be_answered_names_the_parameter(
    client: TestClient, fields: dict[str, Any], param: str, code: str
) -> None:
    response = client.post("/v1/chat/completions", json={"messages": PROMPT, **fields})
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (400, "invalid_request_error")
    assert (error["param"], error["code"]) == (param, code)
    assert error["message"]


def test_values_that_change_nothing_are_taken(client: TestClient) -> None:
    neutral = {"top_p": 1, "presence_penalty": 0, "frequency_penalty": 0, "logprobs": False}
    body = {"messages": PROMPT, "response_format": {"type": "text"}, "max_tokens": 2, **neutral}
    assert client.post("/v1/chat/completions", json=body).status_code == 200


def test_parts_of_text_and_the_role_developer_are_understood(client: TestClient) -> None:
    parts = [{"type": "text", "text": "where is "}, {"type": "text", "text": "my parcel"}]
    messages = [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": parts}]
    plain = [{"role": "system", "content": "Be kind."}, *PROMPT]
    texts = [
        client.post("/v1/chat/completions", json={"messages": given, "seed": 5}).json()["choices"][0]["message"]
        for given in (messages, plain)
    ]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("name", ["9", "policy/9", "gpt-4", "0", "-1", "1.0", "9" * 30, "../1"])
def test_a_version_that_does_not_exist_is_not_found(client: TestClient, name: str) -> None:
    response = client.post("/v1/chat/completions", json={"messages": PROMPT, "model": name})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")


def test_a_server_without_a_champion_says_so(workspace: Workspace, serving: Serving) -> None:
    Registry(workspace.root).store.delete_registered_model_alias("policy", "champion")
    with TestClient(create_app(serving)) as client:
        response = client.post("/v1/chat/completions", json={"messages": PROMPT})
        assert (response.status_code, response.json()["error"]["code"]) == (503, "no_champion")
        assert response.headers["retry-after"] == "5"
        assert client.get("/health/ready").status_code == 503
        assert client.get("/health/live").json() == {"live": True}


def failing() -> Any:
    raise MemoryError("no memory for so many answers")


def test_a_model_that_fails_ends_its_answers_only(serving: Serving, client: TestClient) -> None:
    for stream in (False, True):
        with serving.follower.lease("1") as version:
            loop: Any = decoder_of(version)._loop
            loop.step = failing
            response = client.post("/v1/chat/completions", json={"messages": PROMPT, "stream": stream})
        text = response.text.split("data: ")[-1] if stream else response.text
        error = json.loads(text)["error"]
        assert (error["type"], error["code"]) == ("server_error", "decoding_failed")
        assert client.post("/v1/chat/completions", json={"messages": PROMPT}).status_code == 200


def test_a_prompt_that_is_too_long_is_cut_as_in_training(client: TestClient) -> None:
    long = {"messages": [{"role": "user", "content": "where is my parcel " * 40}], "max_tokens": 1}
    response = client.post("/v1/chat/completions", json=long)
    assert response.json()["usage"]["prompt_tokens"] == 64
    assert int(response.headers["x-rounds-truncated-tokens"]) > 0


def test_requests_that_wait_for_a_version_hold_up_nothing_else(serving: Serving) -> None:
    chat, thumb = "/v1/chat/completions", {"prompt": "Is it open?", "completion": "Yes.", "label": True}
    with listening(create_app(serving)) as address, httpx.Client(base_url=address, timeout=10) as client:
        ready(serving)

        def ask(_: int) -> int:
            body = {"messages": PROMPT, "model": "2", "max_tokens": 1}
            return httpx.post(f"{address}{chat}", json=body, timeout=SECONDS).status_code

        with ThreadPoolExecutor(60) as pool:
            with serving.follower._host._lock:  # the version is not loaded before this is released
                answers = [pool.submit(ask, number) for number in range(60)]
                until(lambda: serving.follower.waiting == 60)
                assert client.get("/health/ready").status_code == 200
                assert client.post("/v1/feedback", json={"feedback": [thumb]}).json()["stored"] == 1
                assert client.get("/v1/models").json()["data"][0]["id"] == "champion"
                assert client.post(chat, json={"messages": PROMPT, "max_tokens": 1}).status_code == 200
                keys.make(serving.storage.database(), "shop", "client", datetime.now(UTC))
                serving.gatekeeper._known.clear()
                assert client.post(chat, json={"messages": PROMPT}).status_code == 401
            assert [answer.result() for answer in answers] == [200] * 60


def test_no_more_requests_than_may_wait_for_a_version(workspace: Workspace) -> None:
    serving = Serving.of(workspace, SETTINGS.model_copy(update={"waiting": 2}))
    with TestClient(create_app(serving)) as client:
        ready(serving)
        with serving.follower._host._lock:
            waiting = [serving.follower.lease("2") for _ in range(2)]
            refused = client.post("/v1/chat/completions", json={"messages": PROMPT, "model": "2"})
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "queue_full")
            assert refused.headers["retry-after"] == "1"
            waiting[0].close()
            waiting.append(serving.follower.lease("2"))
        for lease in waiting[1:]:
            assert lease.future.result(SECONDS).version == "2"
            lease.close()
