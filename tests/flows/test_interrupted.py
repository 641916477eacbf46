"""Ctrl-C in a terminal reaches every process of a command. It ends in time at any moment, and the round continues.

A whole command with its own server: only that has the processes and the imports that an interrupt can come in between.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from core import interrupts
from tasks.state import records
from tasks.state.workspace import PROJECT, Workspace
from tests.profile import HOLD, TINY
from tests.workspaces import moved, settle

pytestmark = pytest.mark.rounds

START = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "os.execv(sys.executable, [sys.executable, '-W', 'ignore', '-m', 'cli', *sys.argv[1:]])"
)
"""A shell has background jobs ignore the signal; here the command is one that a terminal waits for."""

IN_TIME = 3.0
"""Seconds from Ctrl-C to the end of the command."""

PATIENCE = 300.0


@pytest.fixture(scope="module")
def workspace(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Rounds 0 and 1 are finished, and the knobs of the next round are in params.yaml."""
    workspace = moved(finished, tmp_path_factory.mktemp("interrupted") / "workspace")
    shutil.rmtree(workspace.metrics)  # of round 1: a file there shows that a step of round 2 learns
    return settle(workspace, *TINY, HOLD)


@pytest.fixture(scope="module")
def environment(surroundings: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One Prefect folder for all commands: making its database takes seconds."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return {**own, "PREFECT_HOME": str(tmp_path_factory.mktemp("prefect")), "OMP_NUM_THREADS": "1"}


Until = Callable[["Command"], bool]


class Command:
    """`rounds round` in a process group of its own."""

    def __init__(self, workspace: Workspace, environment: dict[str, str]) -> None:
        self.workspace = workspace
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed by `close`)
        self._process = subprocess.Popen(
            [sys.executable, "-c", START, "round", "--new", "-w", str(workspace.root)],
            cwd=PROJECT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            process_group=0,
        )
        self._seen: set[psutil.Process] = set()

    def children(self) -> set[psutil.Process]:
        """All processes that the command has started so far."""
        if self._process.poll() is None:
            self._seen |= set(psutil.Process(self._process.pid).children(recursive=True))
        return self._seen

    def interrupt(self, when: Until) -> tuple[int, float]:
        """Wait for the moment, and send Ctrl-C to the group; exit status, and seconds until the command ended."""
        end = time.monotonic() + PATIENCE
        while not when(self):
            self.children()
            assert self._process.poll() is None, self.errors()
            assert time.monotonic() < end
            time.sleep(0.01)
        self.children()
        start = time.monotonic()
        os.killpg(self._process.pid, signal.SIGINT)
        return self._process.wait(PATIENCE), time.monotonic() - start

    def errors(self) -> str:
        """What the command printed as errors."""
        self._errors.seek(0)
        return self._errors.read()

    def close(self) -> None:
        """End it, if it still runs."""
        self._process.kill()
        self._process.wait()
        self._errors.close()


MOMENTS: dict[str, Until] = {
    "the interpreter starts": lambda command: True,
    "packages are imported": lambda command: len(Path(f"/proc/{command._process.pid}/maps").read_bytes()) > 20_000,
    "the server starts": lambda command: bool(command.children()),
    "a step learns": lambda command: (command.workspace.metrics / "policy.jsonl").exists(),
    "the command ends": lambda command: 2 in records.numbers(command.workspace),
}


@pytest.fixture
def command(workspace: Workspace, environment: dict[str, str]) -> Iterator[Command]:
    command = Command(workspace, environment)
    yield command
    command.close()


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_ends_the_command_in_time_and_leaves_no_process(command: Command, moment: str) -> None:
    status, seconds = command.interrupt(MOMENTS[moment])
    # before any code of ours runs, the signal itself ends the interpreter: a shell reports 130 for both
    expected = {interrupts.STATUS} if moment != "the interpreter starts" else {interrupts.STATUS, -signal.SIGINT}
    assert status in expected, command.errors()
    assert seconds < IN_TIME
    _gone, alive = psutil.wait_procs(command.children(), timeout=10)
    assert alive == []


def test_the_round_has_continued(workspace: Workspace, environment: dict[str, str]) -> None:
    """The last of the commands above finished the round that the others began."""
    assert records.numbers(workspace) == [0, 1, 2]
    assert not records.unfinished(workspace)
