from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.tasks.doctor.cures import diagnoses, mended


def test_an_edited_graph_is_replaced_and_kept(rounds: Rounds, workspace: Workspace) -> None:
    assert diagnoses("data_graph", workspace) == []
    workspace.graph.write_text("stages: {}\n")
    mended("data_graph", workspace, rounds, "error")
    assert (workspace.root / "dvc.yaml.~1~").read_text() == "stages: {}\n"


def test_a_missing_graph_is_copied(rounds: Rounds, workspace: Workspace) -> None:
    workspace.graph.unlink()
    mended("data_graph", workspace, rounds, "error")


def test_a_damaged_lock_is_moved_aside(rounds: Rounds, workspace: Workspace) -> None:
    workspace.recorded.write_text("stages: [")
    mended("data_graph", workspace, rounds, "error")
    assert diagnoses("data_graph", workspace) == []
