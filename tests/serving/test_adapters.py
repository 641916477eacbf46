"""Versions that are adapters of one base, through the app: they share a batch, and each answers as if it were alone."""

from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import pytest
import torch
from starlette.testclient import TestClient

from models.adapters import AdapterSettings
from models.policy import build
from serving.app import create_app
from serving.context import Serving
from tasks.registry.bases import DIGEST_TAG
from tasks.rounds.fetching import fetch
from tasks.state import loading
from tasks.state.workspace import Workspace
from tests.models.conftest import TEXTS
from tests.models.held import Held
from tests.serving import served
from tests.serving.served import LIMITS, PROMPT, SETTINGS, until

ADAPTERS = ("4", "5")
SEEDS = range(4)


@pytest.fixture
def adapted(workspace: Workspace, tmp_path: Path) -> Workspace:
    """The workspace, in which versions 4 and 5 are adapters of one base."""
    build(LIMITS, TEXTS, seed=9).save(tmp_path / "base")
    base = fetch(workspace, str(tmp_path / "base"), "mine")
    for number in (4, 5):
        policy = loading.outside(workspace).new_adapter(base.digest, AdapterSettings(rank=2), "policy", number)
        shuffle = torch.Generator().manual_seed(number)
        with torch.no_grad():
            for _, tensor in sorted(policy.network.state_dict().items()):
                tensor.copy_(torch.randn(tensor.shape, generator=shuffle) * 0.2)
        folder = served.policy_folder(workspace, number)
        policy.save(folder)
        assert served.register_folder(workspace, number, folder, {DIGEST_TAG: base.digest}) == str(number)
    return workspace


def ask(client: TestClient, version: str, seed: int) -> str:
    body = {"messages": PROMPT, "model": version, "seed": seed, "max_tokens": 12}
    answer = client.post("/v1/chat/completions", json=body).json()
    assert answer["model"] == f"policy/{version}"
    text: str = answer["choices"][0]["message"]["content"]
    return text


def test_two_adapters_answer_in_one_batch_as_each_does_alone(adapted: Workspace) -> None:
    alone: dict[tuple[str, int], str] = {}
    for version in ADAPTERS:
        with TestClient(create_app(Serving.of(adapted, SETTINGS))) as client:
            alone |= {(version, seed): ask(client, version, seed) for seed in SEEDS}
    assert all(alone["4", seed] != alone["5", seed] for seed in SEEDS)

    serving, asked = Serving.of(adapted, SETTINGS), list(product(ADAPTERS, SEEDS))
    with TestClient(create_app(serving)) as client, serving.follower.lease("4") as first:
        decoder = first.hosted.decoder
        with serving.follower.lease("5") as second, ThreadPoolExecutor(len(asked)) as pool:
            assert second.hosted.decoder is decoder
            with Held(decoder):
                answers = [pool.submit(ask, client, version, seed) for version, seed in asked]
                until(lambda: decoder.waiting == len(asked))
                admitted = decoder.call(lambda: len(decoder._new))  # called when those that wait have a place
            assert {key: answer.result() for key, answer in zip(asked, answers, strict=True)} == alone
            assert admitted.result() == len(asked)
