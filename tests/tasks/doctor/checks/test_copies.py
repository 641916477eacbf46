import shutil

from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.tasks.doctor.cures import diagnoses, mended
from tests.teams import Team, finished_round


def test_a_copy_of_a_workspace_on_a_server(team: Team, rounds: Rounds) -> None:
    original = team("original")
    finished_round(original, 0)
    copy = Workspace(shutil.copytree(original.root, original.root.parent / "copy"))
    assert diagnoses("copies", original) == []
    [found] = diagnoses("copies", copy)
    assert str(original.root) in found.text
    mended("copies", copy, rounds, "error")
    assert diagnoses("copies", original) == []


def test_a_workspace_that_was_moved(team: Team) -> None:
    original = team("original")
    finished_round(original, 0)
    assert diagnoses("copies", Workspace(original.root.rename(original.root.parent / "moved"))) == []
