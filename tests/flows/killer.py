"""How tests give orders to the program that runs rounds and kills them (tests/flows/killing.py)."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tasks.state.workspace import PROJECT, Workspace

KILLED, DONE, FAILED = -9, 0, 1


class Killer:
    """Runs the next round of a workspace up to a moment, or goes on with the open one; says how the process ended."""

    def __init__(self, program: "subprocess.Popen[str]") -> None:
        assert program.stdin is not None
        assert program.stdout is not None
        self._orders, self._answers = program.stdin, program.stdout

    def __call__(self, workspace: Workspace, moment: str) -> int:
        """Run it and wait for its end."""
        self.start(workspace, moment)
        return self.wait()

    def start(self, workspace: Workspace, moment: str) -> None:
        """Run it."""
        print(f"{workspace.root}={moment}", file=self._orders, flush=True)

    def wait(self) -> int:
        """How what was started has ended: 0, 1, or minus the signal."""
        return int(self._answers.readline())


@contextmanager
def killer(env: Mapping[str, str]) -> Iterator[Killer]:
    """The program, while the block runs."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.flows.killing"]
    with subprocess.Popen(
        command, cwd=PROJECT, env=dict(env), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as program:
        yield Killer(program)
        assert program.stdin is not None
        program.stdin.close()
