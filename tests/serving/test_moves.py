"""Requests all the time while the alias moves to a version and back: none is dropped, and each has one version."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

from openai import OpenAI

from serving.app import create_app
from serving.context import Serving
from tasks.registry.alias import Registry
from tasks.state.workspace import Workspace
from tests.serving.served import PROMPT, listening, promote, ready, until

CLIENTS = 6
SEEDS = 3
WITHIN = 5.0
"""Seconds after a move within which the new version answers."""


class Served(NamedTuple):
    """An answer that somebody got."""

    began: float
    ended: float
    versions: frozenset[str]
    """That its pieces name."""
    seed: int
    text: str
    finish: str | None


def ask(client: OpenAI, seed: int, model: str = "champion") -> Served:
    """A whole answer for odd seeds, a stream for even ones."""
    began, fields = time.monotonic(), {"model": model, "messages": PROMPT, "seed": seed}
    completions: Any = client.chat.completions
    if seed % 2:
        pieces = [completions.create(**fields)]
        text = pieces[0].choices[0].message.content
    else:
        pieces = list(completions.create(**fields, stream=True))
        text = "".join(choice.delta.content or "" for piece in pieces for choice in piece.choices)
    finish = pieces[-1].choices[0].finish_reason
    return Served(began, time.monotonic(), frozenset(piece.model for piece in pieces), seed, text, finish)


@contextmanager
def asking(client: OpenAI, served: list[Served]) -> Iterator[None]:
    """Requests of several clients at once, one after the other, until the block ends; an error of one is raised."""
    stop = threading.Event()

    def run() -> None:
        number = 0
        while not stop.is_set():
            served.append(ask(client, number % SEEDS))
            number += 1

    with ThreadPoolExecutor(CLIENTS) as pool:
        running: list[Future[None]] = [pool.submit(run) for _ in range(CLIENTS)]
        try:
            yield
        finally:
            stop.set()
    for each in running:
        each.result()


def test_no_answer_is_dropped_while_the_alias_moves_there_and_back(workspace: Workspace, serving: Serving) -> None:
    served: list[Served] = []

    def wait_for(version: str, moved_at: float) -> float:
        """Wait until a version answers, and then for more answers; returns when its first one had ended."""
        until(lambda: any(by(version, answer) and answer.began > moved_at for answer in served))
        first = next(answer for answer in served if by(version, answer) and answer.began > moved_at)
        assert first.ended - moved_at < WITHIN
        enough = len(served) + 5 * CLIENTS
        until(lambda: len(served) > enough)
        return first.ended

    with listening(create_app(serving)) as address:
        ready(serving)
        with OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
            expected = {(version, seed): ask(client, seed, version).text for version in "12" for seed in range(SEEDS)}
            with asking(client, served):
                until(lambda: len(served) > CLIENTS)
                promote(workspace, "2")
                promoted = wait_for("2", time.monotonic())
                left = time.monotonic()
                Registry(workspace.root).rollback(None, "rude", "tests")
                back = wait_for("1", time.monotonic())
    assert all(len(answer.versions) == 1 and answer.finish for answer in served)
    for answer in served:
        version = next(iter(answer.versions)).removeprefix("policy/")
        assert answer.text == expected[version, answer.seed]  # also of answers during which the alias moved
    assert all(by("2", answer) for answer in served if promoted < answer.began < left)
    assert all(by("1", answer) for answer in served if answer.began > back)


def by(version: str, answer: Served) -> bool:
    """Whether a version wrote an answer."""
    return answer.versions == {f"policy/{version}"}
