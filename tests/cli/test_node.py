"""`rounds node` waits until it is ended, and says what it was not given."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.state.workspace import PROJECT, Workspace
from tests.commands import Rounds


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_it_waits_until_it_is_ended(workspace: Workspace, kind: signal.Signals) -> None:
    command = [sys.executable, "-m", "cli", "node", "-w", str(workspace.root)]
    env = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=PROJECT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as node:
        assert node.stdout
        assert node.stderr
        assert str(workspace.root) in node.stdout.readline().decode()
        node.send_signal(kind)
        assert node.wait(20) == 128 + kind
        assert b"Traceback" not in node.stderr.read()


def test_a_folder_that_is_not_there(rounds: Rounds, tmp_path: Path) -> None:
    alone = rounds("node", "-w", tmp_path / "none")
    assert (alone.code, f"rounds init {tmp_path / 'none'}" in alone.err) == (2, True)
    below = rounds("node", "--below", tmp_path / "none")
    assert (below.code, f"'{tmp_path / 'none'}' does not exist" in below.err) == (2, True)


def test_a_workspace_or_those_of_a_worker(rounds: Rounds, workspace: Workspace, tmp_path: Path) -> None:
    both = rounds("node", "--below", tmp_path, "-w", workspace.root)
    assert (both.code, "leave out --workspace" in both.err) == (2, True)
