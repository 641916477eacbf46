"""The server that a command starts for itself."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

PROGRAM = """
import signal

import psutil
from flows.orchestration.server import starting
from tasks.tools.prefect_api import configured

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has background jobs ignore it, and so their children
server = starting()
print(psutil.Process().children()[0].pid, flush=True)
with server:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        found = client.api_healthcheck(), configured()
print(*found, flush=True)  # a signal from here on finds nothing that it could interrupt but the wait
input()
"""


@contextmanager
def commanding(home: Path, **surroundings: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PREFECT_HOME": str(home), **surroundings},
    ) as process:
        yield process
        process.kill()


@pytest.fixture
def command(surroundings: None, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A command in the middle of its work, with a server of its own."""
    with commanding(tmp_path) as process:
        yield process


def said(command: "subprocess.Popen[str]") -> str:
    assert command.stdout is not None
    return command.stdout.readline().strip()


def test_it_ends_while_it_still_starts(command: "subprocess.Popen[str]") -> None:
    server = psutil.Process(int(said(command)))
    command.kill()
    server.wait(30)


def test_two_started_at_once_answer_count_as_none_and_end_with_their_commands(
    surroundings: None, tmp_path: Path
) -> None:
    """In a new home; one of them where a proxy is set, and nothing listens on port 9."""
    proxies = dict.fromkeys(("http_proxy", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    with commanding(tmp_path) as one, commanding(tmp_path, **proxies, no_proxy="", NO_PROXY="") as other:
        servers = [psutil.Process(int(said(command))) for command in (one, other)]
        assert said(one) == "None False"  # no error from the server; nobody named one
        assert said(other) == "None False"
        one.send_signal(signal.SIGKILL)
        other.send_signal(signal.SIGINT)
        for server in servers:
            server.wait(30)


def test_a_home_that_cannot_be_written_is_named_with_its_cure(surroundings: None, tmp_path: Path) -> None:
    """Root may write anywhere but below a file."""
    (tmp_path / "file").touch()
    program = "from flows.orchestration.server import starting; starting()"
    home = {**os.environ, "HOME": str(tmp_path / "file")}
    home.pop("PREFECT_HOME", None)
    done = subprocess.run([sys.executable, "-c", program], env=home, capture_output=True, text=True, check=False)
    said = done.stderr.splitlines()[-1]
    assert said.startswith(f"core.errors.Unwritable: Prefect cannot write its folder {tmp_path}/file/.prefect")
    assert "set PREFECT_HOME to a folder that can be written" in said
