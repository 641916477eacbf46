"""Policies in memory: adapters of one base share its batch, and each row has its own."""

from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any, cast

import pytest

from core.errors import BadModel
from models import concurrent
from models.adapters import AdapterSettings
from models.compute import IN_FLOAT32
from models.concurrent import Capacity, ModelUnavailable, TokenChunk
from models.hosting import HostedPolicy, ModelHost
from models.loading import Loader
from models.policy import Policy
from models.rollout import SamplingSettings, sample
from models.seeding import generator
from models.shared_base import AdapterNetwork
from models.tokens import encode_prompts
from tests.models.adapted import moved

PROMPT = [{"role": "user", "content": "where is my parcel"}]
SECONDS = 60


@pytest.fixture
def base(tiny: Policy, tmp_path: Path) -> Path:
    tiny.save(tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture
def host(base: Path) -> Iterator[ModelHost]:
    opened = ModelHost(lambda digest: base, Capacity(rows=8, waiting=16))
    yield opened
    opened.close()


def adapter(base: Path, folder: Path, seed: int) -> Path:
    """A saved adapter that changes what the base computes."""
    loader = Loader(lambda digest: base)
    network = loader.new_adapter("0" * 16, AdapterSettings(rank=2), "policy", 0).network
    assert isinstance(network, AdapterNetwork)
    changed = moved(network.base, f"moved-{seed}", seed)
    Policy(changed, network.base.tokenizer).save(folder)
    return folder


def answered(hosted: HostedPolicy, count: int = 1, temperature: float = 1.0, seed: int = 3) -> list[list[int]]:
    prompt = hosted.encoded(PROMPT, 64).ids
    queues: list[Queue[TokenChunk]] = [Queue() for _ in range(count)]
    requests = hosted.requests(prompt, count, 10, temperature, seed)
    hosted.decoder.submit([(request, queue.put) for request, queue in zip(requests, queues, strict=True)])
    return [_all(queue) for queue in queues]


def _all(queue: "Queue[TokenChunk]") -> list[int]:
    ids: list[int] = []
    while True:
        chunk = queue.get(timeout=SECONDS)
        if chunk.error:
            raise chunk.error
        ids += chunk.ids
        if chunk.ended:
            return ids


def sampled(base: Path, folder: Path) -> list[int]:
    """The answer that a rollout has for the prompt and the seed."""
    policy = Loader(lambda digest: base).policy(folder)
    prompt = encode_prompts(policy.tokenizer, [PROMPT], 64)[0].ids
    rollout = sample(policy, [prompt], SamplingSettings(), 10, generator(3))
    ids: list[int] = rollout.batch.ids[0][rollout.batch.response[0]].tolist()
    return ids


def test_a_whole_policy_answers_as_in_a_rollout(host: ModelHost, base: Path) -> None:
    assert answered(host.load(base, IN_FLOAT32)) == [sampled(base, base)]


def test_adapters_share_a_decoder_and_answer_each_with_its_own(host: ModelHost, base: Path, tmp_path: Path) -> None:
    folders = [adapter(base, tmp_path / f"adapter-{seed}", seed) for seed in (1, 2)]
    first, second = (host.load(folder, IN_FLOAT32) for folder in folders)
    assert first.decoder is second.decoder
    assert len(host.decoders) == 1
    answers = [answered(first), answered(second)]
    assert answers == [[sampled(base, folder)] for folder in folders]
    assert answers[0] != answers[1]


def test_an_adapter_is_removed_while_another_one_answers(host: ModelHost, base: Path, tmp_path: Path) -> None:
    first, second = (host.load(adapter(base, tmp_path / f"adapter-{seed}", seed), IN_FLOAT32) for seed in (1, 2))
    before = answered(second)
    host.unload(first)
    assert answered(second) == before
    host.unload(second)
    assert host.decoders == []


def test_a_base_that_fails_for_good_is_loaded_again_after_its_adapters_were_freed(
    host: ModelHost, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concurrent, "PROBES", 1)
    folders = [adapter(base, tmp_path / f"adapter-{seed}", seed) for seed in (1, 2)]
    first, second = (host.load(folder, IN_FLOAT32) for folder in folders)
    before, model = answered(first), cast(Any, first.decoder._model)
    model.model = None  # every forward pass fails
    with pytest.raises(TypeError):
        answered(first)
    first.decoder._thread.join(SECONDS)
    with pytest.raises(ModelUnavailable):
        host.load(folders[0], IN_FLOAT32)
    host.unload(first)
    host.unload(second)
    assert answered(host.load(folders[0], IN_FLOAT32)) == before


def test_an_adapter_that_cannot_be_loaded_leaves_nothing(host: ModelHost, base: Path, tmp_path: Path) -> None:
    folder = adapter(base, tmp_path / "adapter", 1)
    (folder / "adapter.safetensors").write_bytes(b"damaged")
    with pytest.raises(BadModel):
        host.load(folder, IN_FLOAT32)
    assert host.decoders == []


def test_samples_differ_and_the_seed_repeats_them(host: ModelHost, base: Path) -> None:
    hosted = host.load(base, IN_FLOAT32)
    three = answered(hosted, count=3)
    assert len({tuple(ids) for ids in three}) == 3
    assert answered(hosted, count=3) == three
    assert answered(hosted, count=1) == three[:1]


def test_temperature_0_takes_the_most_likely_tokens(host: ModelHost, base: Path) -> None:
    hosted = host.load(base, IN_FLOAT32)
    greedy = answered(hosted, count=2, temperature=0.0)
    assert greedy[0] == greedy[1]
    assert answered(hosted, temperature=0.0, seed=99) == greedy[:1]
