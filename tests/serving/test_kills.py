"""The server is killed with SIGKILL: each answer whose last byte had arrived is stored, as it was sent."""

import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx

from feedback.store import answers
from tasks.state import feedback_database
from tasks.state.workspace import Workspace
from tests.serving.served import PROMPT, address, process, until

CLIENTS = 6


class Streamed:
    """What a client read of an answer."""

    def __init__(self) -> None:
        self.identity, self.text, self.ended = "", "", False

    def read(self, url: str, seed: int) -> None:
        """Read an answer to its last byte; the server may be killed before.

        Raises:
            httpx.TransportError: it was.
        """
        body = {"messages": PROMPT, "seed": seed, "stream": True}
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=60) as response:
            for line in filter(None, response.iter_lines()):
                if line == "data: [DONE]":
                    self.ended = True
                    return
                chunk = json.loads(line.removeprefix("data: "))
                self.identity = chunk["id"]
                self.text += chunk["choices"][0]["delta"].get("content") or ""


def check(workspace: Workspace, streamed: Mapping[str, str]) -> None:
    """Check that answers are stored with the text that was sent."""
    with feedback_database.opened(workspace) as database:
        stored = answers.find(database, streamed.keys())
    assert {identity: answer.text for identity, answer in stored.items()} == dict(streamed)
    assert {answer.finish for answer in stored.values()} <= {"stop", "length"}


def test_killed_at_the_last_byte_the_answer_is_stored(workspace: Workspace) -> None:
    answer = Streamed()
    with process(workspace, "-S", "poll=.1") as server:
        url = address(server)
        until(lambda: httpx.get(f"{url}/health/ready").status_code == 200)
        answer.read(url, 7)
        server.kill()
    assert answer.ended
    check(workspace, {answer.identity: answer.text})


def test_killed_among_answers_those_that_had_ended_are_stored(workspace: Workspace) -> None:
    every: list[Streamed] = []
    enough = threading.Event()

    def ask(client: int) -> None:
        for number in range(10_000):
            answer = Streamed()
            every.append(answer)
            try:
                answer.read(url, 100 * client + number)
            except httpx.TransportError:
                return
            if sum(each.ended for each in every) >= 4 * CLIENTS:
                enough.set()

    with process(workspace, "-S", "poll=.1") as server:
        url = address(server)
        until(lambda: httpx.get(f"{url}/health/ready").status_code == 200)
        with ThreadPoolExecutor(CLIENTS) as pool:
            running = [pool.submit(ask, client) for client in range(CLIENTS)]
            assert enough.wait(60)
            server.kill()
        for each in running:
            each.result()
    ended = {each.identity: each.text for each in every if each.ended}
    assert len(every) - len(ended) == CLIENTS  # each client was in the middle of one
    check(workspace, ended)
