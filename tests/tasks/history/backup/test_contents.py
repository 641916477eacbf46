import os
from pathlib import Path

from tasks.history.backup.contents import contents, foreign
from tasks.state.workspace import Workspace


def write(workspace: Workspace, *names: str) -> None:
    for name in names:
        (workspace.root / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace.root / name).write_text(name)


def test_locks_drafts_indices_and_databases_are_not_copied_as_files(workspace: Workspace) -> None:
    write(workspace, "data/.lock", "data/watch/.import.lock", "data/inbox.ids", "data/feedback.db-wal")
    write(workspace, "data/.x.abcdefgh.draft/x", "data/.previous.old/a", "data/rounds/00000.json", "mlruns/7/a")
    write(workspace, ".dvc/tmp/rwlock", ".dvc/config.local", "notes.txt")
    (workspace.root / "data/champion").mkdir()
    found = contents(workspace, cache=True)
    assert {"data/rounds/00000.json", "data/.previous.old/a", "mlruns/7/a", ".dvc/config", "dvc.yaml"} <= {*found.files}
    assert not {name for name in found.files if "lock" in name or "draft" in name or "feedback.db" in name}
    assert {"data/inbox.ids", "mlflow.db", ".dvc/config.local", "notes.txt"}.isdisjoint(found.files)
    assert "data/champion" in found.folders
    assert found.skipped == ()
    assert foreign(workspace) == ["notes.txt"]


def test_what_services_keep_is_left_out(workspace: Workspace) -> None:
    write(workspace, "data/services/prefect/prefect.db", "data/services/logs/worker.log", "data/rounds/services/a")
    found = contents(workspace, cache=True)
    assert not {name for name in (*found.files, *found.folders) if name.startswith("data/services")}
    assert "data/rounds/services/a" in found.files


def test_the_cache_can_be_left_out(workspace: Workspace) -> None:
    write(workspace, ".dvc/cache/files/md5/aa/bb")
    assert ".dvc/cache/files/md5/aa/bb" in contents(workspace, cache=True).files
    assert ".dvc/cache/files/md5/aa/bb" not in contents(workspace, cache=False).files


def test_links_are_followed_and_what_is_no_file_is_named(workspace: Workspace, tmp_path: Path) -> None:
    write(workspace, "data/inbox/a.jsonl")
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/part").write_text("x")
    (workspace.data / "feedback").symlink_to(tmp_path / "disk")
    (workspace.data / "loop").symlink_to(workspace.data)
    (workspace.inbox / "gone.jsonl").symlink_to(tmp_path / "nothing")
    os.mkfifo(workspace.inbox / "pipe.jsonl")
    found = contents(workspace, cache=True)
    assert {"data/feedback/part", "data/inbox/a.jsonl"} <= {*found.files}
    assert [sentence.split(",")[0] for sentence in found.skipped] == ["data/inbox/gone.jsonl", "data/inbox/pipe.jsonl"]
    assert not [name for name in found.files if name.startswith("data/loop")]
