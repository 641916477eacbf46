"""A backup is complete, private, and appears only when it is finished."""

import stat
from pathlib import Path
from threading import Event, Thread

import pytest

from core.errors import BadParams, BadWorkspace, RoundBusy
from core.files import digest
from tasks.history.backup import copying, manifest
from tasks.history.backup.making import backup
from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tests.tasks.history.backup.fork import killed_at, with_a_full_disk


def test_every_file_is_there_with_its_digest_and_private(finished: Workspace, tmp_path: Path) -> None:
    made = backup(finished, tmp_path / "b")
    assert manifest.verify(tmp_path / "b") == made
    assert (made.round, made.champion and made.champion.version) == (1, "2")
    files = made.of_workspace()
    assert {"mlflow.db", "dvc.lock", "data/audit.jsonl", "data/audit.jsonl.head", "data/workspace.json"} <= set(files)
    assert files["dvc.lock"] == digest(finished.recorded)
    assert any(name.startswith("mlruns/") for name in files)
    assert any(name.startswith(".dvc/cache/") for name in files)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "b", *(tmp_path / "b").rglob("*")]}
    assert modes == {0o700, 0o600}


def test_unchanged_files_of_an_earlier_backup_are_linked(continued: Workspace, tmp_path: Path) -> None:
    backup(continued, tmp_path / "a")
    continued.params.write_text("seed: 2\n")
    backup(continued, tmp_path / "b", earlier=tmp_path / "a")
    manifest.verify(tmp_path / "b")
    lock, params = (
        [(tmp_path / name / "workspace" / file).stat().st_ino for name in "ab"] for file in ("dvc.lock", "params.yaml")
    )
    assert lock[0] == lock[1]
    assert params[0] != params[1]
    assert (tmp_path / "b/workspace/params.yaml").read_text() == "seed: 2\n"


def test_what_is_not_in_it_is_named(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workspace.root / ".dvc/config.local").write_text("")
    (workspace.root / "prompts.jsonl").write_text("")
    monkeypatch.setenv("ROUNDS_FEEDBACK_DATABASE", "postgresql://rounds:secret@db/feedback")
    made = backup(workspace, tmp_path / "b", cache=False)
    sentences = " ".join(made.left_out)
    facts = (".dvc/config.local", "prompts.jsonl", "pg_dump", "--without-cache")
    assert [fact for fact in facts if fact not in sentences] == []
    assert "secret" not in (tmp_path / "b/backup.json").read_text()


def test_no_backup_while_a_round_runs_or_into_a_place_that_is_taken(workspace: Workspace, tmp_path: Path) -> None:
    with holding(workspace.lock, "round 7"), pytest.raises(RoundBusy, match="round 7"):
        backup(workspace, tmp_path / "b")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/file").touch()
    with pytest.raises(BadWorkspace, match="not empty"):
        backup(workspace, tmp_path / "taken")
    with pytest.raises(BadParams, match="in the workspace"):
        backup(workspace, workspace.data / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["taken", "workspace"]


def test_a_backup_waits_for_a_round(workspace: Workspace, tmp_path: Path) -> None:
    held, done = Event(), Event()

    def run() -> None:
        with holding(workspace.lock, "round 7"):
            held.set()
            done.wait(1)

    round_7 = Thread(target=run)
    round_7.start()
    held.wait()
    backup(workspace, tmp_path / "b", wait=30)
    round_7.join()
    assert (tmp_path / "b/backup.json").exists()


@pytest.mark.parametrize(("name", "count"), [("copy_database", 1), ("copy_file", 1), ("copy_file", 4)])
def test_a_killed_backup_leaves_none_and_can_be_made_again(
    workspace: Workspace, tmp_path: Path, name: str, count: int
) -> None:
    backup(workspace, tmp_path / "first")  # imports MLflow
    killed_at(copying, name, count, lambda: backup(workspace, tmp_path / "b"))
    assert not (tmp_path / "b").exists()
    backup(workspace, tmp_path / "b")
    manifest.verify(tmp_path / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "first", "workspace"]


@pytest.mark.parametrize("limit", [100, 100_000])
def test_a_full_disk_is_an_error_and_nothing_is_left(workspace: Workspace, tmp_path: Path, limit: int) -> None:
    backup(workspace, tmp_path / "first")
    (workspace.data / "big").write_bytes(bytes(200_000))
    with_a_full_disk(limit, lambda: backup(workspace, tmp_path / "b"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "workspace"]
