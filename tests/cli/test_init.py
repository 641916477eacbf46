"""`rounds init` makes a workspace, and the other commands refuse one that is not there."""

from pathlib import Path

from tasks.state import identity
from tasks.state.workspace import Workspace
from tests.commands import Rounds


def test_a_new_workspace_has_the_name_and_the_salt_that_were_given(rounds: Rounds, tmp_path: Path) -> None:
    folder = tmp_path / "a team"
    assert rounds("init", folder, "--name", "help desk", "--salt", "s").code == 0
    made = identity.read(Workspace(folder))
    assert made is not None
    assert (made.name, made.salt) == ("help desk", "s")
    assert rounds("status", "-w", folder).code == 0
    assert rounds("plan", "-w", folder).code == 0


def test_an_existing_workspace_is_refused_and_kept(rounds: Rounds, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    rounds("init", folder)
    before = (folder / "data/workspace.json").read_bytes()
    assert rounds("init", folder, "--salt", "other").code == 2
    assert (folder / "data/workspace.json").read_bytes() == before


def test_an_empty_salt_is_refused(rounds: Rounds, tmp_path: Path) -> None:
    assert rounds("init", tmp_path / "w", "--salt", " ").code == 2
    assert not (tmp_path / "w").exists()


def test_feedback_for_a_mistyped_workspace_is_not_swallowed(rounds: Rounds, tmp_path: Path) -> None:
    file = tmp_path / "votes.jsonl"
    file.write_text('{"prompt": "p", "chosen": "a", "rejected": "b"}\n')
    refused = rounds("feedback", "import", file, "-w", tmp_path / "typo")
    assert refused.code == 2
    assert not (tmp_path / "typo").exists()
    cure = refused.err.split("`")[1].split()  # `rounds init FOLDER`
    assert rounds(*cure[1:]).code == 0
    assert rounds("feedback", "import", file, "-w", tmp_path / "typo").code == 0
