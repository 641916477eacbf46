"""Databases that an earlier or later version of Prefect or MLflow wrote."""

import shutil
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from core import urls
from tasks.services import schemas
from tasks.services.schemas import Migrations, OtherSchema
from tasks.state.workspace import Workspace
from tests.cures import cures, words

MLFLOW = schemas.migrations("mlflow", schemas._MLFLOW)


def note(database: Path, revision: str) -> None:
    """Make a database that says which version it has."""
    database.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.execute("DELETE FROM alembic_version")
        connection.execute("INSERT INTO alembic_version VALUES (?)", [revision])
        connection.commit()


def test_a_version_is_compared_with_those_that_are_known() -> None:
    known = Migrations(frozenset({"a1", "b2", "c3"}), frozenset({"c3"}))
    assert [known.compared(each) for each in ("c3", "a1", "d4", None)] == ["current", "older", "newer", "current"]
    assert Migrations(frozenset(), frozenset()).compared("d4") == "current", "it cannot be told"


def test_migrations_are_read_from_the_files_of_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tool_of_a_test/versions"
    folder.mkdir(parents=True)
    (tmp_path / "tool_of_a_test/__init__.py").touch()
    (folder / "one.py").write_text('revision = "a1"\ndown_revision = None\n')
    (folder / "two.py").write_text("revision: str = 'b2'\ndown_revision: str | None = 'a1'\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert schemas.migrations("tool_of_a_test", "versions") == Migrations(frozenset({"a1", "b2"}), frozenset({"b2"}))
    assert schemas.migrations("no_such_tool", "versions") == Migrations(frozenset(), frozenset())


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_the_installed_versions_keep_their_migrations_where_they_are_looked_for(dialect: str) -> None:
    prefect = schemas.migrations("prefect", f"{schemas._PREFECT}/{dialect}")
    assert (len(prefect.newest), len(MLFLOW.newest)) == (1, 1)
    assert min(len(prefect.known), len(MLFLOW.known)) > 50


def test_new_and_current_databases_are_fine(tmp_path: Path, empty_store: Path) -> None:
    workspace = Workspace(tmp_path)
    assert schemas.check(workspace, None) == []
    shutil.copyfile(empty_store, workspace.database)
    [newest] = schemas.migrations("prefect", f"{schemas._PREFECT}/sqlite").newest
    note(workspace.prefect_database, newest)
    assert schemas.check(workspace, None) == []


def test_an_earlier_database_of_prefect_is_migrated_by_its_server(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    prefect = schemas.migrations("prefect", f"{schemas._PREFECT}/sqlite")
    note(workspace.prefect_database, sorted(prefect.known - prefect.newest)[0])
    assert schemas.check(workspace, None) == [
        f"{workspace.prefect_database} is of an earlier version of Prefect, which the server now migrates"
    ]


def test_a_later_database_of_prefect_can_be_moved_away(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    note(workspace.prefect_database, "ffffffffffff")
    with pytest.raises(OtherSchema, match=r"prefect.db was written by a later version of Prefect .*; install that"):
        schemas.check(workspace, None)
    workspace.prefect_database.rename(tmp_path / "prefect.db")
    assert schemas.check(workspace, None) == []


def test_a_later_database_of_mlflow_is_refused(tmp_path: Path) -> None:
    note(Workspace(tmp_path).database, "ffffffffffff")
    with pytest.raises(OtherSchema, match=r"later version of MLflow .*; install that version, or restore a backup"):
        schemas.check(Workspace(tmp_path), None)


def earlier(database: Path) -> None:
    """A database of MLflow before its newest migration."""
    from alembic import command
    from alembic.config import Config
    from mlflow.store.db import utils
    from mlflow.store.tracking.dbmodels.initial_models import Base
    from sqlalchemy import create_engine

    address = urls.sqlite(database)
    engine = create_engine(address)
    Base.metadata.create_all(engine)
    [newest] = MLFLOW.newest
    configured: Callable[[str], Config] = utils._get_alembic_config
    command.upgrade(configured(address), f"{newest}-1")
    engine.dispose()


@cures("tasks.services.schemas._check_mlflow: mlflow db upgrade …")
def test_an_earlier_database_of_mlflow_is_migrated_by_a_command(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "help desk")
    workspace.root.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MLflow's own making
        earlier(workspace.database)
    with pytest.raises(OtherSchema, match="earlier version of MLflow") as caught:
        schemas.check(workspace, None)
    mlflow = str(Path(sys.executable).parent / "mlflow")
    subprocess.run([mlflow, *words(str(caught.value), "mlflow db upgrade")[1:]], check=True, capture_output=True)
    assert schemas.check(workspace, None) == []
