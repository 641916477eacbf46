"""A workspace that was moved or copied finds its own artifacts."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from core import urls
from tasks.registry.alias import Registry
from tasks.state.line import POLICY
from tasks.state.workspace import Workspace
from tasks.tools import relocation, tracking

# SQLAlchemy 2.1 warns of how MLflow maps its tables
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")

KEY = {"round": "0", "round_key": "k", "verdict": "promote"}


@pytest.fixture
def registered(workspace: Workspace) -> Workspace:
    """A workspace with one run and one version, which is champion."""
    registry = Registry(workspace.root)
    run = tracking.RoundRun.open(workspace.root, POLICY, "round 0", {"round": "0", "round_key": "k"})
    run.text("a", "round/note.txt")
    folder = workspace.checkpoint("policy")
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_text("weights")
    registry.promote(registry.register("policy", folder, run.run_id, KEY, {}).version, None, "first", "test")
    return workspace


def addresses(workspace: Workspace) -> set[str]:
    """The beginning of every address in MLflow's database, up to `mlruns`."""
    with sqlite3.connect(workspace.database) as database:
        found = [
            value
            for table, column, _ in relocation.ADDRESSES
            for (value,) in database.execute(f"select {column} from {table} where {column} is not null")
            if str(value).startswith("file:")
        ]
    database.close()
    return {str(value).partition("/mlruns")[0] for value in found}


@pytest.mark.parametrize("name", ["elsewhere", "a ?b%20#c'\"", "ünï"])
def test_a_moved_workspace_finds_its_artifacts(
    registered: Workspace, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    registered.root.rename(tmp_path / name)
    moved = Workspace(tmp_path / name)
    registry = Registry(moved.root)
    champion = registry.champion()
    assert champion is not None
    assert (registry.fetch(champion, tmp_path / "fetched") / "model.safetensors").read_text() == "weights"
    assert Path(tracking.download(registry.store, champion.run_id, "round", str(tmp_path)), "note.txt").exists()
    assert addresses(moved) == {urls.folder(moved.root)}
    assert not registered.root.exists()
    assert [record.levelname for record in caplog.records if record.name == relocation.__name__] == ["WARNING"]


def test_a_copy_is_corrected_and_the_original_is_not(registered: Workspace, tmp_path: Path) -> None:
    before = registered.database.read_bytes()
    shutil.copytree(registered.root, tmp_path / "copy")
    copy = Workspace(tmp_path / "copy")
    assert relocation.readdress(copy) == [urls.folder(registered.artifacts)]
    assert relocation.readdress(copy) == []
    assert relocation.recorded_folders(copy) == [urls.folder(copy.artifacts)]
    assert registered.database.read_bytes() == before
    assert addresses(registered) == {urls.folder(registered.root)}


def test_a_neighbour_with_a_longer_name_and_foreign_addresses_stay(registered: Workspace, tmp_path: Path) -> None:
    longer = f"{urls.folder(registered.artifacts)}2/7"
    with sqlite3.connect(registered.database) as database:
        database.execute("update model_versions set storage_location = 's3://bucket/x', source = ?", (longer,))
        database.execute("insert into experiments (name, artifact_location) values ('mine', 's3://bucket/y')")
    database.close()
    registered.root.rename(tmp_path / "elsewhere")
    relocation.readdress(Workspace(tmp_path / "elsewhere"))
    with sqlite3.connect(tmp_path / "elsewhere/mlflow.db") as database:
        assert database.execute("select source, storage_location from model_versions").fetchall() == [
            (longer, "s3://bucket/x")
        ]
        assert ("s3://bucket/y",) in database.execute("select artifact_location from experiments").fetchall()
    database.close()


def test_artifacts_that_stayed_at_the_old_place_are_still_found_there(registered: Workspace, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    shutil.copy(registered.database, tmp_path / "other/mlflow.db")
    assert relocation.readdress(Workspace(tmp_path / "other")) == []
    assert Registry(tmp_path / "other").champion() is not None


@pytest.mark.parametrize("content", [None, b"", b"no database"])
def test_a_missing_or_damaged_database_is_left_to_mlflow(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "mlflow.db").write_bytes(content)
    assert relocation.recorded_folders(Workspace(tmp_path)) == []
    assert relocation.readdress(Workspace(tmp_path)) == []
