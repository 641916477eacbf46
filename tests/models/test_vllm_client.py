"""What a vLLM server is asked, and what is said of one that answers otherwise than it should."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from core.errors import NoSampler
from models.peft_files import write
from models.policy import Policy
from models.shared_base import SharedBase
from models.vllm_client import KEY, CompletionRequest, Decoding, VLLMClient
from models.vllm_server import free_port
from tests.cures import cures
from tests.models.adapted import moved
from tests.models.fake_vllm import VERSION, FakeVLLM, serving

DECODING = Decoding(limit=4, temperature=1.0, end_ids=[1], at_once=2)


@pytest.fixture
def fake(saved: Path) -> FakeVLLM:
    return FakeVLLM(saved)


@pytest.fixture
def client(fake: FakeVLLM, monkeypatch: pytest.MonkeyPatch) -> Iterator[VLLMClient]:
    monkeypatch.delenv(KEY, raising=False)
    with serving(fake) as url:
        made = VLLMClient(f"{url}/")
        yield made
        made.close()


@pytest.fixture
def lora(tiny: Policy, saved: Path, tmp_path: Path) -> Path:
    """A folder with an adapter in peft's format."""
    network = moved(SharedBase(tiny.model, tiny.tokenizer, "0" * 16), "policy", 1)
    for name in ("own", "lora"):
        (tmp_path / name).mkdir()
    network.save(tmp_path / "own", tiny.tokenizer)
    write(tmp_path / "own", saved, "base", tmp_path / "lora")
    return tmp_path / "lora"


def test_the_version_is_known(client: VLLMClient) -> None:
    assert client.version() == VERSION


def test_answers_are_in_the_order_of_the_requests(client: VLLMClient, lora: Path) -> None:
    client.add_adapter("mine", lora)
    requests = [CompletionRequest([3, 4 + row], row) for row in range(7)]
    noted: list[float] = []
    answers = client.complete("mine", requests, DECODING, lambda metrics, step, total=None: noted.append(step))
    alone = [client.complete("mine", [request], DECODING)[0] for request in requests]
    assert [answer.ids for answer in answers] == [answer.ids for answer in alone]
    assert noted == [*range(7)]
    assert client.complete("mine", [], DECODING) == []
    client.remove_adapter("mine")
    with pytest.raises(NoSampler, match=r"/v1/completions with 404: The model `mine` does not exist"):
        client.complete("mine", requests, DECODING)


def test_an_adapter_that_is_there_is_refused(client: VLLMClient, lora: Path) -> None:
    client.add_adapter("mine", lora)
    assert client.models() == ["base", "mine"]
    with pytest.raises(NoSampler, match=r"load_lora_adapter with 400: .* already been loaded"):
        client.add_adapter("mine", lora)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"choices": [{"text": "Hello"}]}', r"without choices\.0\.token_ids \(Field required\); use the version"),
        ("<html>", r"without JSON \(Invalid JSON"),
        ('{"choices": []}', r"without choices\.0"),
        ('{"choices": [{"token_ids": [5, 1], "logprobs": {"token_logprobs": [-1]}}]}', "2 tokens and 1 log-prob"),
        ('{"choices": [{"token_ids": [], "logprobs": {"token_logprobs": []}}]}', "0 tokens and 0 log-prob"),
        ('{"choices": [{"token_ids": [5], "logprobs": {"token_logprobs": [null]}}]}', "token_logprobs.0"),
    ],
)
def test_an_answer_of_another_form_is_refused(fake: FakeVLLM, client: VLLMClient, text: str, said: str) -> None:
    fake.broken["/v1/completions"] = 200, text
    with pytest.raises(NoSampler, match=said):
        client.complete("mine", [CompletionRequest([3], 0)], DECODING)


def test_a_server_that_is_gone_is_named_with_what_is_known_of_it() -> None:
    port = free_port()
    client = VLLMClient(f"http://127.0.0.1:{port}", lambda: "; it was killed")
    with pytest.raises(
        NoSampler, match=rf"127\.0\.0\.1:{port} does not answer /version \(ConnectError.*it was killed;"
    ):
        client.version()
    client.close()


@cures("models.vllm_client.VLLMClient._no_sampler: set VLLM_API_KEY")
def test_the_key_is_that_of_the_environment(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY, raising=False)
    fake = FakeVLLM(saved, key="secret-key")
    with serving(fake) as url:
        with closing(VLLMClient(url)) as client:
            assert client.version() == VERSION  # needs no key
            with pytest.raises(NoSampler, match="set VLLM_API_KEY to the key of the server"):
                client.models()
        monkeypatch.setenv("VLLM_API_KEY", "secret-key")
        with closing(VLLMClient(url)) as client:
            assert client.models() == ["base"]
    assert fake.keys == [None, None, "Bearer secret-key"]
