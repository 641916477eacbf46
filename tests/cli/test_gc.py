"""`rounds gc` removes data of dropped rounds, and keeps data of versions and all feedback."""

import json
import shutil
from pathlib import Path

import pytest

from core.files import digest
from tasks.registry.alias import Registry
from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tests.commands import Rounds


def put(workspace: Workspace, md5: str, content: str) -> None:
    file = workspace.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


def listing(path: str, md5: str) -> str:
    return json.dumps([{"md5": md5, "relpath": path}])


def test_after_finished_rounds_nothing_can_be_removed(rounds: Rounds, continued: Workspace) -> None:
    result = rounds("gc", "-w", continued.root)
    assert result.code == 0, result.err
    assert result.out.startswith("Nothing can be removed")


def test_data_of_a_dropped_round_is_removed_but_not_its_feedback(rounds: Rounds, continued: Workspace) -> None:
    cache = continued.root / ".dvc/cache"
    put(continued, "a" * 32, "answers that nobody needs")
    put(continued, "b" * 32 + ".dir", listing("train.arrow", "a" * 32))
    before = digest(cache)
    assert "2 objects, " in rounds("gc", "-w", continued.root).out
    assert digest(cache) == before  # a dry run
    put(continued, "c" * 32, "votes")
    put(continued, "d" * 32 + ".dir", listing("part-00007-0.parquet", "c" * 32))
    result = rounds("gc", "--yes", "-w", continued.root)
    assert result.out.splitlines()[-1].startswith("Removed 2 objects, ")
    left = {file.parent.name + file.name for file in cache.glob("files/md5/??/*")}
    assert {"c" * 32, "d" * 32 + ".dir"} <= left
    assert not {"a" * 32, "b" * 32 + ".dir"} & left
    assert rounds("gc", "-w", continued.root).out.startswith("Nothing can be removed")


def test_data_of_a_deleted_version_can_be_removed(rounds: Rounds, continued: Workspace) -> None:
    store = Registry(continued.root).store
    store.delete_model_version("policy", "1")  # round 0; round 1 has answers and preferences of its own
    assert not rounds("gc", "-w", continued.root).out.startswith("0 objects, ")


def test_nothing_is_removed_while_a_round_runs_or_if_files_of_a_version_are_missing(
    rounds: Rounds, continued: Workspace
) -> None:
    with holding(continued.lock, "a round"):
        assert "a round" in rounds("gc", "--yes", "-w", continued.root).err
    run = Registry(continued.root).version("1").run_id
    [lock] = continued.root.glob(f"mlruns/{run}/artifacts/round/dvc.lock")
    lock.unlink()
    result = rounds("gc", "--yes", "-w", continued.root)
    assert (result.code, "(round/): dvc.lock;" in result.err) == (2, True)


def test_nothing_is_removed_with_an_mlflow_that_does_not_know_the_rounds(
    rounds: Rounds, continued: Workspace, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing or wrong MLFLOW_TRACKING_URI: nothing is registered there, so everything would look unneeded."""
    before = digest(continued.root / ".dvc/cache")
    monkeypatch.setenv(
        "MLFLOW_TRACKING_URI", f"sqlite:///{shutil.copy(empty_store, continued.root.parent / 'other.db')}"
    )
    listed, removed = rounds("gc", "-w", continued.root), rounds("gc", "--yes", "-w", continued.root)
    assert (listed.code, "does not know round 0, 1 of" in listed.err) == (2, True), listed.err
    assert (removed.code, "MLFLOW_TRACKING_URI" in removed.err) == (2, True), removed.err
    assert digest(continued.root / ".dvc/cache") == before


def test_a_shared_cache_is_left_alone(rounds: Rounds, continued: Workspace) -> None:
    with (continued.root / ".dvc/config").open("a") as config:
        config.write(f"[cache]\n    dir = {continued.root.parent / 'shared'}\n")
    result = rounds("gc", "-w", continued.root)
    assert (result.code, "the DVC cache" in result.err) == (2, True)
