"""The commands around a round: status and rollback."""

from pathlib import Path

import pytest

from tasks.registry import audit
from tasks.registry.alias import Registry
from tasks.state.workspace import Workspace
from tests.commands import Rounds


def test_status_of_a_new_workspace(rounds: Rounds, workspace: Workspace) -> None:
    result = rounds("status", "-w", workspace.root)
    assert (result.code, f"`rounds round -w {workspace.root}`" in result.out) == (0, True)
    assert "next       round 0 starts when 200 more usable records wait\n" in result.out


def test_status_shows_champion_candidate_and_rounds(rounds: Rounds, followed: Workspace) -> None:
    result = rounds("status", "-w", followed.root).out
    assert "champion   policy version 2, from round 1" in result
    assert "candidate  policy version 3, from round 2: held" in result
    rows = [line.split()[:3] for line in result.splitlines() if line[:1].isdigit()]
    assert rows == [["0", "1", "promoted"], ["1", "2", "★"], ["2", "3", "held"]]
    assert "feedback   0 of 200 usable records wait\n" in result
    assert "next       round 3 starts when 200 more usable records wait\n" in result


def test_rollback_moves_the_alias_and_says_why(rounds: Rounds, continued: Workspace) -> None:
    result = rounds("rollback", "--reason", "it was rude", "-w", continued.root)
    assert result.code == 0
    champion = Registry(continued.root).champion()
    assert champion is not None
    assert champion.version == "1"
    last = audit.read(continued.audit)[-1]
    assert (last.event, last.facts["left"], last.facts["now"]) == ("rollback", "2", "1")
    assert last.facts["reason"] == "it was rude"
    status = rounds("status", "-w", continued.root).out
    assert "champion   policy version 1, from round 0" in status
    assert "candidate  policy version 2, from round 1: rolled back: it was rude" in status
    [row] = [line for line in status.splitlines() if line.startswith("1 ")]
    assert "rolled back" in row


def test_status_fits_80_columns_with_names_that_other_commands_take(
    rounds: Rounds, continued: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    Registry(continued.root).rollback(None, "rude", "ana")
    monkeypatch.setenv("COLUMNS", "80")
    lines = rounds("status", "-w", continued.root).out.splitlines()
    [row] = [line for line in lines if line.startswith("1 ")]
    number, version, key = *row.split()[:2], row.split()[-1]
    assert (max(map(len, lines[-5:])) <= 80, "rolled back" in row) == (True, True)
    assert rounds("show", number, "-w", continued.root).code == 0
    assert rounds("lineage", f"policy/{version}", "-w", continued.root).code == 0
    assert f"round {number}" in rounds("lineage", key, "-w", continued.root).out
    assert rounds("promote", version, "--force", "--reason", "a mistake", "-w", continued.root).code == 0
    [row] = [line for line in rounds("status", "-w", continued.root).out.splitlines() if line.startswith("1 ")]
    assert row.split()[1:3] == [version, "★"]


def test_rollback_without_an_earlier_version(rounds: Rounds, workspace: Workspace) -> None:
    result = rounds("rollback", "--reason", "why not", "-w", workspace.root)
    assert result.code == 2
    assert Registry(workspace.root).champion() is None


def test_a_folder_that_holds_something_else(rounds: Rounds, workspace: Workspace) -> None:
    (workspace.root / "dvc.yaml").unlink()
    result = rounds("status", "-w", workspace.root)
    assert result.code == 2
    assert "no dvc.yaml" in result.err


@pytest.mark.parametrize("command", [("status",), ("rollback", "--reason", "rude"), ("audit", "verify"), ("plan",)])
def test_a_mistyped_workspace_is_not_made(rounds: Rounds, tmp_path: Path, command: tuple[str, ...]) -> None:
    result = rounds(*command, "-w", tmp_path / "worksapce")
    assert (result.code, str(tmp_path / "worksapce") in result.err) == (2, True)
    assert not (tmp_path / "worksapce").exists()


@pytest.mark.parametrize(
    "command", [("evidence", "2", "--into"), ("votes", "pull", "--into"), ("explain", "--prompt", "Hi", "--html")]
)
def test_a_folder_is_not_written_over_by_a_file(rounds: Rounds, workspace: Workspace, command: tuple[str, ...]) -> None:
    folder = workspace.root / "reports"
    folder.mkdir()
    (folder / "of last year").touch()
    result = rounds(*command, folder, "-w", workspace.root)
    assert (result.code, "is a directory" in result.err) == (2, True)
    assert (folder / "of last year").exists()
