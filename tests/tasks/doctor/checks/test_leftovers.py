import os
from pathlib import Path

from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.tasks.doctor.cures import diagnoses, mended


def left(workspace: Workspace, name: str) -> Path:
    path = workspace.data / name
    path.mkdir(parents=True)
    (path / "file").touch()
    os.utime(path, (0, 0))
    return path


def test_an_old_folder_whose_successor_is_missing_is_put_back(rounds: Rounds, workspace: Workspace) -> None:
    left(workspace, ".previous.old")
    mended("leftovers", workspace, rounds, "error")
    assert (workspace.previous / "file").exists()


def test_a_draft_is_removed(rounds: Rounds, workspace: Workspace) -> None:
    left(workspace, "rounds/.00001.json.abcdefgh.draft")
    with holding(workspace.lock, "round 1"):
        assert diagnoses("leftovers", workspace) == []  # it may be this round's
    mended("leftovers", workspace, rounds, "note")
    assert diagnoses("leftovers", workspace) == []


def test_the_draft_of_a_killed_restoration_is_removed(rounds: Rounds, workspace: Workspace) -> None:
    (workspace.root.parent / f".{workspace.root.name}.abcdefgh.draft").mkdir()
    mended("leftovers", workspace, rounds, "note")
