"""One set of requests for every server with OpenAI's interface, and one form of what it does in place of answering."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from core.errors import RoundsError
from models.model_server import ModelServer, ServerFailure, bearer
from models.vllm_server import free_port
from tests.serving.fake_openai import FakeOpenAI, writing


class _Failed(RoundsError):
    def __init__(self, failure: ServerFailure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


def server(url: str, key: str = "NO_SUCH_KEY") -> ModelServer:
    return ModelServer(httpx.Client(base_url=url, headers=bearer(key)), _Failed)


@pytest.fixture
def fake() -> Iterator[FakeOpenAI]:
    with writing(FakeOpenAI(models=["base"])) as made:
        yield made


def test_an_adapter_is_added_listed_and_removed(fake: FakeOpenAI) -> None:
    with server(fake.url) as asked:
        asked.add_adapter("mine", Path("/there/mine"))
        assert (asked.models(), fake.loaded) == (["base", "mine"], ["/there/mine"])
        asked.remove_adapter("mine")
        assert asked.models() == ["base"]


def test_the_secret_is_that_of_an_environment_variable(fake: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "s3cret")
    for name in ("SOME_KEY", "NO_SUCH_KEY"):
        with server(fake.url, name) as asked:
            asked.models()
    assert fake.keys == {"Bearer s3cret", None}


def test_a_failure_has_what_came_in_place_of_an_answer(fake: FakeOpenAI) -> None:
    with server(fake.url.removesuffix("/v1")) as asked, pytest.raises(_Failed) as refused:
        asked.models()
    failure = refused.value.failure
    assert (failure.path, failure.status, failure.is_form) == ("/models", 404, False)
    assert b"Not Found" in failure.content
    with server(f"http://127.0.0.1:{free_port()}/v1") as asked, pytest.raises(_Failed, match="ConnectError") as away:
        asked.models()
    assert (away.value.failure.path, away.value.failure.status) == ("/v1/models", None)


@pytest.mark.parametrize(("text", "lacks"), [("<html>", "JSON"), ("{}", "data"), ('{"data": [{}]}', "data.0.id")])
def test_an_answer_of_another_form_is_a_failure(text: str, lacks: str) -> None:
    http = httpx.Client(
        base_url="http://there/v1", transport=httpx.MockTransport(lambda _: httpx.Response(200, text=text))
    )
    with ModelServer(http, _Failed) as asked, pytest.raises(_Failed) as odd:
        asked.models()
    assert odd.value.failure.is_form
    assert odd.value.failure.reason.startswith(f"{lacks} (")
