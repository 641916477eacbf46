"""`python -m serving` as a process: it starts, answers and ends."""

import signal
from datetime import UTC, datetime

import httpx
import pytest

from core.errors import BadParams
from feedback.store import keys
from serving.__main__ import allowed_hosts, is_loopback
from serving.guard import LOOPBACK
from serving.settings import ServingSettings
from tasks.state import feedback_database
from tasks.state.workspace import Workspace
from tests.serving.served import PROMPT, address, process, until


def test_it_answers_and_a_signal_ends_it(workspace: Workspace) -> None:
    with process(workspace, "-S", "poll=.1") as started:
        url = address(started)
        until(lambda: httpx.get(f"{url}/health/ready").status_code == 200)
        answer = httpx.post(f"{url}/v1/chat/completions", json={"messages": PROMPT, "max_tokens": 3})
        assert answer.json()["model"] == "policy/1"
        assert "server" not in answer.headers
        started.send_signal(signal.SIGTERM)
        assert started.wait(60) in (0, -signal.SIGTERM)


BROKEN = """
import gc, sys, threading, time
from models import concurrent
from serving.__main__ import main

def damage():
    while not (found := [each for each in gc.get_objects() if isinstance(each, concurrent.ConcurrentDecoder)]):
        time.sleep(.1)
    found[0]._model.model = None

concurrent.PAUSE = .01
threading.Thread(target=damage, daemon=True).start()
main(sys.argv[1:])
"""
"""A server whose model fails in every forward pass."""


def test_a_model_that_always_fails_ends_the_process(workspace: Workspace) -> None:
    with process(workspace, "-S", "poll=.1", program=("-c", BROKEN)) as started:
        url = address(started)
        until(lambda: _asked(url) == 500)
        assert started.wait(60) == 1
        assert started.stderr is not None
        assert "only a new process can help: the model fails whatever it is asked" in started.stderr.read()


def _asked(url: str) -> int:
    return httpx.post(f"{url}/v1/chat/completions", json={"messages": PROMPT, "max_tokens": 3}).status_code


def test_a_wrong_setting_is_named_and_nothing_starts(workspace: Workspace) -> None:
    with process(workspace, "-S", "rows=0") as started:
        assert started.wait(60) == 2
        with pytest.raises(AssertionError, match=r"did not start; its log:\n.*BadParams"):
            address(started)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.0.0.2", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_what_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_on_loopback_only_its_own_names_are_accepted(workspace: Workspace) -> None:
    assert allowed_hosts(workspace, "127.0.0.1", ServingSettings()) == LOOPBACK


def test_behind_a_proxy_a_key_is_needed(workspace: Workspace) -> None:
    behind = ServingSettings(hosts=("Rounds.example",))
    with pytest.raises(BadParams, match=r"Rounds\.example"):
        allowed_hosts(workspace, "127.0.0.1", behind)
    with feedback_database.opened(workspace) as database:
        keys.make(database, "shop", "client", datetime.now(UTC))
    assert allowed_hosts(workspace, "127.0.0.1", behind) == LOOPBACK | {"rounds.example"}
