"""A first round that is refused leaves nothing behind where nothing was before."""

from pathlib import Path

import pytest

from core.errors import BadFeedback, BadModel, BadParams, BadWorkspace, RoundsError
from tasks.rounds import opening
from tasks.rounds.first import workspace_for_round
from tests.commands import Rounds

REFUSED = [
    ("nosuch.knob=1", BadParams),
    ("seed=many", BadParams),
    ("seed", BadParams),
    ("sample.prompts=0", BadParams),
    ("ingest.sources=[{use: jsonl, path: nowhere.jsonl}]", BadFeedback),
    ("evaluate.evals.adversarial.path=nowhere.jsonl", BadFeedback),
    ("model.base=./nowhere", BadModel),
    ("versioning.remote=nowhere", BadWorkspace),
    ("versioning.commit=true", BadWorkspace),
]


@pytest.mark.parametrize(("override", "error"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_no_workspace_is_created(tmp_path: Path, override: str, error: type[RoundsError]) -> None:
    with pytest.raises(error):
        workspace_for_round(tmp_path / "new/workspace", [override])
    assert not list(tmp_path.iterdir())


def test_the_command_says_only_what_is_wrong(rounds: Rounds, tmp_path: Path) -> None:
    result = rounds("round", "-w", tmp_path / "new", "-S", "nosuch.knob=1")
    assert (result.code, result.out, "nosuch: there is no such knob" in result.err) == (2, "", True)
    assert not list(tmp_path.iterdir())


def test_a_folder_with_a_graph_but_no_parameters_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").touch()
    with pytest.raises(BadParams, match=r"params\.yaml is missing"):
        workspace_for_round(tmp_path, [])
    assert [file.name for file in tmp_path.iterdir()] == ["dvc.yaml"]


def test_an_empty_folder_stays_empty(tmp_path: Path) -> None:
    with pytest.raises(BadParams):
        workspace_for_round(tmp_path, ["nosuch.knob=1"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["file", "file/below", "full"])
def test_a_path_that_cannot_be_a_workspace(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/letter.txt").touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(BadWorkspace, match=f"{tmp_path}.*; name "):
        workspace_for_round(tmp_path / path, [])
    assert sorted(tmp_path.rglob("*")) == before


def test_a_workspace_is_created_for_a_valid_request(tmp_path: Path) -> None:
    workspace = workspace_for_round(tmp_path / "new", ["seed=3"])
    assert (workspace.graph.exists(), workspace.params.exists(), workspace.data.is_dir()) == (True, True, True)


@pytest.mark.parametrize("override", ["nosuch.knob=1", "versioning.remote=nowhere"])
def test_the_registry_is_not_touched_before_the_request_is_checked(tmp_path: Path, override: str) -> None:
    workspace = workspace_for_round(tmp_path / "new", [])
    with pytest.raises(RoundsError):
        opening.start(workspace, [override])
    assert not any(path.exists() for path in (workspace.database, workspace.artifacts, workspace.round))
    assert set(workspace.data.iterdir()) == {workspace.identity, workspace.inbox_receipts}


@pytest.mark.parametrize(
    "command",
    [
        ("feedback", "import", "nowhere.jsonl"),
        ("lineage", "policy/1"),
        ("diff", "1", "2"),
        ("evidence", "1"),
        ("explain",),
    ],
    ids=lambda command: command[0],
)
def test_other_commands_create_no_workspace_either(rounds: Rounds, tmp_path: Path, command: tuple[str, ...]) -> None:
    result = rounds(*command, "-w", tmp_path / "new")
    assert (result.code, "Traceback" in result.err) == (2, False)
    assert not list(tmp_path.iterdir())


def test_a_file_is_no_workspace(rounds: Rounds, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = rounds("status", "-w", tmp_path / "file")
    assert (result.code, "is not a folder" in result.err) == (2, True)
