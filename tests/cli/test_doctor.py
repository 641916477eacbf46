"""`rounds doctor` prints what is wrong, how bad, and the command; the exit status is that of the worst diagnosis."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from core.settings import override
from tasks.rounds import opening
from tasks.state import records
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.profile import PROMOTE, TINY
from tests.tasks.doctor.cures import typed


def test_a_healthy_workspace(rounds: Rounds, finished: Workspace) -> None:
    result = rounds("doctor", "-w", finished.root)
    assert result.code == 0, result.out
    assert "warning" not in result.out


def test_the_exit_status_is_that_of_the_worst(
    rounds: Rounds, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUNDS_WORKSPASE", "/srv")
    assert rounds("doctor", "-w", workspace.root).code == 1
    workspace.graph.write_text("stages: {}\n")
    result = rounds("doctor", "--json", "-w", workspace.root)
    assert result.code == 2
    found = json.loads(result.out)
    assert [each["severity"] for each in found][:2] == ["error", "warning"]
    assert (found[0]["check"], found[0]["cure"].split()[0]) == ("data_graph", "cp")


@pytest.mark.usefixtures("prefect")
def test_a_damaged_open_round_is_reopened(rounds: Rounds, continued: Workspace) -> None:
    """A whole round: only that shows that the command goes on."""
    continued.params.write_text(yaml.safe_dump(override({}, [*TINY, PROMOTE])))
    opening.start(continued, [])
    continued.round.write_text(continued.round.read_text()[:100])
    result = rounds("doctor", "--json", "-w", continued.root)
    [cure] = [found["cure"] for found in json.loads(result.out) if found["check"] == "open_round"]
    assert result.code == 2
    typed(cure, rounds)
    assert rounds("doctor", "-w", continued.root).code == 0
    assert records.numbers(continued) == [0, 1, 2]


def test_it_fits_80_columns_and_commands_are_not_broken(
    rounds: Rounds, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    workspace.graph.write_text("stages: {}\n")
    workspace.inbox.mkdir()
    (workspace.inbox / "[red]\x1b[2J.txt").touch()
    lines = rounds("doctor", "-w", workspace.root).out.splitlines()
    words = [line for line in lines if "cure: " not in line and "/" not in line]
    assert max(map(len, words)) <= 80
    assert "\x1b[2J" not in "".join(lines)
    [cure] = [line for line in lines if "cure: cp " in line]
    assert cure.endswith(str(workspace.graph))


def test_a_folder_that_lost_most_of_its_files_is_examined_and_another_is_not(
    rounds: Rounds, workspace: Workspace, tmp_path: Path
) -> None:
    workspace.graph.unlink()
    shutil.rmtree(workspace.root / ".dvc")
    assert rounds("doctor", "-w", workspace.root).code == 2
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").touch()
    result = rounds("doctor", "-w", tmp_path / "other")
    assert (result.code, "neither empty nor a workspace" in result.err) == (2, True)
