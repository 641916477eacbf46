"""The registry is read as MLflow has it, without MLflow."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from core.files import digest
from tasks.registry.alias import Registry
from tasks.state.workspace import Workspace
from tasks.tools import mlflow_reading
from tasks.tools.mlflow_reading import Unreadable, registered
from tests.commands import Rounds
from tests.cures import cures, words


def test_versions_tags_and_alias_are_those_that_mlflow_reports(finished: Workspace) -> None:
    Registry(finished.root).alias()  # corrects the addresses of a copy
    before = digest(finished.database)
    for name in ("policy", "reward"):
        read = registered(finished, name)
        for version in Registry(finished.root).versions(name):
            known = read.find(version.version)
            assert known is not None
            assert (known.run_id, dict(known.tags)) == (version.run_id, dict(version.tags))
    assert registered(finished, "policy").alias == Registry(finished.root).alias()
    assert registered(finished, "reward").alias is None
    assert digest(finished.database) == before


def test_a_deleted_version_is_gone(continued: Workspace) -> None:
    Registry(continued.root).store.delete_model_version("policy", "1")
    assert [version.version for version in registered(continued, "policy").versions] == ["2"]


def test_what_cannot_be_read(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert registered(workspace, "policy").versions == ()
    with pytest.raises(Unreadable, match="does not exist"):
        registered(Workspace(tmp_path / "nothing"), "policy")
    assert not (tmp_path / "nothing").exists()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    with pytest.raises(Unreadable) as error:
        registered(workspace, "policy")
    assert "secret" not in str(error.value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://db/mlflow")
    with pytest.raises(Unreadable):
        registered(workspace, "policy")
    assert mlflow_reading.database(workspace.root) is None


def reason(workspace: Workspace) -> str:
    """Why the registry cannot be read."""
    with pytest.raises(Unreadable) as error:
        registered(workspace, "policy")
    return str(error.value)


@pytest.mark.parametrize("writes", ["begin exclusive", "begin immediate"])
def test_a_database_that_another_process_writes_to_needs_no_backup(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, writes: str
) -> None:
    monkeypatch.setattr(mlflow_reading, "PATIENCE", 0.1)
    registered(workspace, "policy")
    with closing(sqlite3.connect(workspace.database, isolation_level=None)) as other:
        other.execute(writes)
        if writes == "begin exclusive":
            assert ("locked" in reason(workspace), "rounds restore" in reason(workspace)) == (True, False)
        else:
            assert registered(workspace, "policy").versions == ()
    assert registered(workspace, "policy").versions == ()


@cures(
    "tasks.tools.mlflow_reading._database: rounds restore",
    "tasks.tools.mlflow_reading._cure: rounds restore",
)
@pytest.mark.parametrize("damaged", [True, False])
def test_a_database_that_is_restored(rounds: Rounds, workspace: Workspace, tmp_path: Path, damaged: bool) -> None:
    assert rounds("backup", tmp_path / "b", "-w", workspace.root).code == 0
    workspace.database.unlink()
    if damaged:
        workspace.database.write_text("no database" * 100)
    command = words(reason(workspace), "rounds restore")
    restored = rounds(*command[1:], tmp_path / "b", "-w", workspace.root, "--replace")
    assert restored.code == 0, restored.err
    assert registered(workspace, "policy").versions == ()


@cures(
    "tasks.tools.mlflow_reading._database: unset MLFLOW_TRACKING_URI",
    "tasks.tools.mlflow_reading._server_explained: unset MLFLOW_TRACKING_URI",
)
@pytest.mark.parametrize("address", ["sqlite:////proc/none/mlflow.db", "http://127.0.0.1:9"])
def test_an_address_without_a_registry(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert "unset MLFLOW_TRACKING_URI" in reason(workspace)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert registered(workspace, "policy").versions == ()


@cures("tasks.tools.mlflow_reading._not_read: rounds status")
def test_an_address_that_only_mlflow_reads(
    rounds: Rounds, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command asks MLflow, and prints the reason that it gives."""
    address = f"file://{workspace.root}/runs"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    checked = rounds(*words(reason(workspace), "rounds status")[1:], "-w", workspace.root)
    assert (checked.code, address in checked.err, "Traceback" in checked.err) == (2, True, False), checked
