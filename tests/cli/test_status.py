"""What `rounds status` says of an open round."""

from pathlib import Path

from rich.console import Console

from cli.status import _open_round
from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tests.tasks.people.waiting_round import opened


def said(workspace: Workspace) -> str:
    out = Console(width=200, force_terminal=False)
    with out.capture() as captured:
        _open_round(out, workspace)
    return captured.get()


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
