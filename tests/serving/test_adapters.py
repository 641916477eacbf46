"""Versions that are adapters of one base, through the app: they share a batch, and each answers as if it were alone."""

from concurrent.futures import ThreadPoolExecutor
from itertools import product

from starlette.testclient import TestClient

from serving.app import create_app
from serving.context import Serving
from tasks.state.workspace import Workspace
from tests.models.held import Held
from tests.serving.served import PROMPT, SETTINGS, decoder_of, until

ADAPTERS = ("4", "5")
SEEDS = range(4)


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
        decoder = decoder_of(first)
        with serving.follower.lease("5") as second, ThreadPoolExecutor(len(asked)) as pool:
            assert decoder_of(second) is decoder
            with Held(decoder):
                answers = [pool.submit(ask, client, version, seed) for version, seed in asked]
                until(lambda: decoder.waiting == len(asked))
                admitted = decoder.call(lambda: len(decoder._new))  # called when those that wait have a place
            assert {key: answer.result() for key, answer in zip(asked, answers, strict=True)} == alone
            assert admitted.result() == len(asked)
