"""A workspace is saved, lost, restored at another path, and goes on; a moved one goes on as well."""

import shlex
import shutil
from pathlib import Path

import pytest

from tasks.registry.alias import Registry
from tasks.state.lock import holding
from tasks.state.workspace import PROJECT, Workspace
from tests.commands import Rounds
from tests.cures import cures, words
from tests.profile import PROMOTE, TINY

pytestmark = pytest.mark.rounds

STEPPED = [word for override in (*TINY, PROMOTE) for word in ("-S", override)]


@pytest.mark.usefixtures("prefect")
def test_a_restored_workspace_answers_replays_and_rolls_back(
    rounds: Rounds, continued: Workspace, tmp_path: Path
) -> None:
    copy, new = tmp_path / "copy", tmp_path / "a new place"
    saved = rounds("backup", copy, "-w", continued.root)
    assert saved.code == 0, saved.err
    assert "Last round: 1; champion: policy version 2." in saved.out
    shutil.rmtree(continued.root)
    restored = rounds("restore", copy, "-w", new)
    assert (restored.code, f"rounds status -w '{new}'" in restored.out) == (0, True), restored.err
    assert "policy version 2, from round 1" in rounds("status", "-w", new).out
    assert rounds("audit", "verify", "-w", new).code == 0
    answered = rounds("round", "-w", new, *STEPPED)
    assert answered.code == 0, answered.err
    assert sorted(path.name for path in (new / "data/rounds").iterdir()) == ["00000.json", "00001.json"]
    replayed = rounds("replay", "1", "--into", tmp_path / "old", "-w", new)
    assert (replayed.code, "Identical: round 1" in replayed.out) == (0, True), replayed.err
    assert rounds("rollback", "--reason", "rude", "-w", new).code == 0
    champion = Registry(new).champion()
    assert champion is not None
    assert champion.version == "1"


def test_a_moved_workspace_goes_on_and_says_so_once(
    rounds: Rounds, continued: Workspace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Registry(continued.root).alias()  # the addresses are those of the copy that the fixture made
    caplog.clear()
    continued.root.rename(tmp_path / "moved")
    assert "policy version 2, from round 1" in rounds("status", "-w", tmp_path / "moved").out
    [line] = [record.getMessage() for record in caplog.records if record.name == "tasks.tools.relocation"]
    assert all(str(place) in line for place in (continued.root, tmp_path / "moved"))
    assert rounds("rollback", "--reason", "rude", "-w", tmp_path / "moved").code == 0
    assert rounds("evidence", "1", "--into", tmp_path / "one.zip", "-w", tmp_path / "moved").code == 0
    assert rounds("gc", "-w", tmp_path / "moved").out.startswith("Nothing can be removed")


@cures("tasks.history.backup.restoring._check_target: rounds restore … --workspace … --replace")
def test_an_occupied_place_is_replaced_by_the_command_that_the_error_names(
    rounds: Rounds, workspace: Workspace, tmp_path: Path
) -> None:
    rounds("backup", tmp_path / "b", "-w", workspace.root)
    refused = rounds("restore", tmp_path / "b", "-w", workspace.root)
    assert refused.code == 2
    replaced = rounds(*words(refused.err, "rounds restore")[1:])
    assert replaced.code == 0, replaced.err
    assert len([*tmp_path.glob("workspace.replaced-*")]) == 1


@cures("cli.restore.restore: rounds status -w …")
def test_a_restored_workspace_is_looked_at(rounds: Rounds, workspace: Workspace, tmp_path: Path) -> None:
    rounds("backup", tmp_path / "b", "-w", workspace.root)
    restored = rounds("restore", tmp_path / "b", "-w", tmp_path / "it's back")
    assert restored.code == 0, restored.err
    assert rounds(*words(restored.out, "rounds status")[1:]).code == 0


@cures(
    "tasks.history.backup.restoring._check_target: --workspace FOLDER",
    "tasks.history.backup.restoring._check_target: set ROUNDS_WORKSPACE",
)
def test_the_folder_of_the_code_is_not_replaced(
    rounds: Rounds, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds("backup", tmp_path / "b", "-w", workspace.root)
    monkeypatch.chdir(tmp_path)
    refused = rounds("restore", tmp_path / "b")
    assert (refused.code, str(PROJECT) in refused.err, "set ROUNDS_WORKSPACE to it" in refused.err) == (2, True, True)
    option = words(refused.err, "--workspace", FOLDER=str(tmp_path / "back"))
    assert rounds("restore", tmp_path / "b", *option).code == 0
    monkeypatch.setenv("ROUNDS_WORKSPACE", str(tmp_path / "back"))
    assert rounds("status").code == 0


@cures("tasks.history.backup.manifest.read: rounds backup")
def test_a_folder_that_is_no_backup(rounds: Rounds, workspace: Workspace, tmp_path: Path) -> None:
    refused = rounds("restore", workspace.root, "-w", tmp_path / "new")
    assert refused.code == 2
    assert rounds(*words(refused.err, "rounds backup")[1:], tmp_path / "b", "-w", workspace.root).code == 0
    assert rounds("restore", tmp_path / "b", "-w", tmp_path / "new").code == 0


def test_a_backup_is_verified_without_restoring_it(rounds: Rounds, workspace: Workspace, tmp_path: Path) -> None:
    rounds("backup", tmp_path / "b", "-w", workspace.root)
    assert rounds("restore", tmp_path / "b", "--verify").code == 0
    (tmp_path / "b/workspace/params.yaml").write_text("seed: 9\n")
    damaged = rounds("restore", tmp_path / "b", "--verify")
    assert (damaged.code, "params.yaml" in damaged.err) == (2, True)
    assert rounds("restore", tmp_path / "nothing", "--verify").code == 2


def test_a_running_round_is_named(rounds: Rounds, workspace: Workspace, tmp_path: Path) -> None:
    with holding(workspace.lock, "round 7"):
        refused = rounds("backup", tmp_path / "b", "-w", workspace.root)
    assert (refused.code, "round 7" in refused.err) == (2, True)
    assert not (tmp_path / "b").exists()
    cure = shlex.split(refused.err.split("`")[1])
    assert rounds(*cure[1:]).code == 0
    assert (tmp_path / "b/backup.json").exists()
