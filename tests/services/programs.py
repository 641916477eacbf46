"""Programs that a test starts beside itself. Whatever happens, they and their children are gone at the end."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tasks.state.workspace import PROJECT

BIN = Path(sys.executable).parent
"""Where the command lines of Prefect and MLflow are, whether or not the environment is activated."""

GRACE = 5.0
"""Seconds a program is given to end: a Prefect worker that a script started ignores the first request."""

PR_SET_PDEATHSIG = 1
"""linux/prctl.h"""

Found = TypeVar("Found")


@contextmanager
def hanging() -> Iterator[int]:
    """The port of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    name: str, command: Sequence[str], env: Mapping[str, str], logs: Path, **owner: Any
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program from the project's root while the block runs, in a process group of its own.

    `owner` has the arguments `user`, `group` and `extra_groups` of `subprocess`, if another user is to run it.
    """
    with (logs / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env=env,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,
            **owner,
        )
        try:
            yield process
        finally:
            _end(process)


def _die_with_parent() -> None:
    """A test run that is killed leaves no server behind; Linux alone can promise that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> None:
    for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, kind)
            process.wait(GRACE)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def run_command(
    command: Sequence[str], env: Mapping[str, str], timeout: float = 90
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, from the project's root, and keep its output."""
    return subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=timeout, check=False)


def eventually(
    look: Callable[[], Found | None], what: str, logs: Path, within: float = 90, every: float = 0.5
) -> Found:
    """What `look` finds, as soon as it finds anything.

    Raises:
        AssertionError: it found nothing in `within` seconds; brings the ends of all logs.
    """
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if (result := look()) is not None:
            return result
        time.sleep(every)
    raise AssertionError(f"{what}: not within {within:.0f} s\n{tails(logs)}")


def tails(logs: Path, lines: int = 60) -> str:
    """The last lines of every log."""
    return "\n".join(
        f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
        for log in sorted(logs.glob("*.log"))
    )


def surroundings(**settings: str) -> dict[str, str]:
    """The environment of a program: the machine's without its settings of the tools, and `settings`."""
    foreign = ("PREFECT_", "MLFLOW_", "DVC_", "ROUNDS_", "DO_NOT_TRACK")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return inherited | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"} | settings


def chromium() -> str | None:
    """The browser's program, where there is one."""
    return shutil.which("chromium") or shutil.which("google-chrome")


in_a_browser = pytest.mark.skipif(chromium() is None, reason="no browser: apt-get install chromium")
"""Says why the test was skipped, if pytest runs without `make test-services`, which installs Chromium."""


def browsed(url: str, profile: Path) -> str:
    """The page at an address as HTML, after its scripts have run."""
    program = chromium()
    assert program is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}"]
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    wide = ["--window-size=2400,1200", "--virtual-time-budget=30000", "--dump-dom"]  # the table draws what is in sight
    return run_command([program, *flags, *quiet, *wide, url], surroundings()).stdout
