"""What `rounds status` says of an open round."""

import signal
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from cli.status import _open_round
from tasks.state.lock import holding
from tasks.state.workspace import PROJECT, Workspace
from tests.cures import cures, words
from tests.tasks.people.waiting_round import opened


def said(workspace: Workspace) -> str:
    out = Console(width=200, force_terminal=False)
    with out.capture() as captured:
        _open_round(out, workspace)
    return captured.get()


@cures("cli.status._open_round: rounds status --watch")
def test_the_command_that_follows_a_round(workspace: Workspace) -> None:
    opened(workspace.root)
    with holding(workspace.lock, "round 3"):
        _, *options = words(said(workspace), "rounds status")
        command = [sys.executable, "-m", "cli", *options[:2], "-w", str(workspace.root)]
        with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as follower:
            assert follower.stdout is not None
            line = follower.stdout.readline()
            follower.send_signal(signal.SIGINT)
    assert "round 3 runs" in line


def test_a_round_that_runs_is_followed_and_one_that_stands_still_is_continued(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert said(workspace) == ""
    opened(tmp_path)
    assert "A round is open; continue it with" in said(workspace)
    with holding(workspace.lock, "round 3"):
        text = said(workspace)
    assert "In progress: round 3" in text
    assert "status --watch" in text
    assert "continue" not in text
