"""The databases of one PostgreSQL server, by their URLs; tests/services/test_up.py has a server."""

from pathlib import Path

import pytest
from sqlalchemy import make_url

from core.errors import BadParams, NotInstalled
from tasks.services import postgresql
from tasks.state import identity
from tasks.state.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "help desk")
    workspace.root.mkdir()
    return workspace


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with the extra `postgres`."""
    monkeypatch.setattr("core.drivers.find_spec", lambda name: name)


def named(workspace: Workspace) -> str:
    return f"rounds_{identity.made(workspace).id[:8]}"


def test_without_the_variable_databases_are_files(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(postgresql.ADDRESS, raising=False)
    assert postgresql.configured(workspace) is None
    monkeypatch.setenv(postgresql.ADDRESS, "")
    assert postgresql.configured(workspace) is None


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize("path", ["", "/"])
def test_each_tool_has_a_database_named_after_the_workspace(
    path: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROUNDS_FEEDBACK_DATABASE", raising=False)
    monkeypatch.setenv(postgresql.ADDRESS, f"postgresql://ana:p%40ss@db.internal:5433{path}")
    databases, prefix = postgresql.configured(workspace), named(workspace)
    assert databases is not None
    server = "ana:p%40ss@db.internal:5433"
    assert databases == postgresql.Databases(
        server=f"postgresql://{server}/postgres",
        prefect=f"postgresql+asyncpg://{server}/{prefix}_prefect",
        history=f"postgresql://{server}/{prefix}_prefect",
        mlflow=f"postgresql://{server}/{prefix}_mlflow",
        feedback=f"postgresql://{server}/{prefix}_feedback",
        names=(f"{prefix}_prefect", f"{prefix}_mlflow", f"{prefix}_feedback"),
    )
    assert make_url(databases.mlflow).password == "p@ss"


@pytest.mark.usefixtures("driver")
def test_parameters_are_named_as_each_driver_names_them(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """psycopg takes those of libpq; asyncpg has a name of its own for TLS."""
    monkeypatch.setenv(postgresql.ADDRESS, "postgres://ana@/admin?host=/run/pg&port=5433&sslmode=require")
    databases = postgresql.configured(workspace)
    assert databases is not None
    assert databases.server == "postgresql://ana@/admin?host=/run/pg&port=5433&sslmode=require"
    assert dict(make_url(databases.mlflow).query) == {"host": "/run/pg", "port": "5433", "sslmode": "require"}
    assert dict(make_url(databases.prefect).query) == {"host": "/run/pg", "port": "5433", "ssl": "require"}
    assert make_url(databases.prefect).drivername == "postgresql+asyncpg"


@pytest.mark.usefixtures("driver")
def test_a_feedback_database_that_is_named_stays(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(postgresql.ADDRESS, "postgresql://db.internal")
    monkeypatch.setenv("ROUNDS_FEEDBACK_DATABASE", "postgresql://other/feedback")
    databases = postgresql.configured(workspace)
    assert databases is not None
    assert databases.feedback == "postgresql://other/feedback"


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize(
    "address",
    ["db.internal", "mysql://db.internal", "postgresql://", "postgresql://db:port", "postgresql://[", "sqlite:///x"],
)
def test_what_is_no_server(address: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(postgresql.ADDRESS, address)
    with pytest.raises(BadParams, match="set it to postgresql://USER:"):
        postgresql.configured(workspace)


@pytest.mark.usefixtures("driver")
def test_parameters_that_only_one_driver_knows(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(postgresql.ADDRESS, "postgresql://db/postgres?options=-csearch_path%3Dx&sslmode=require&gss=1")
    with pytest.raises(BadParams, match="gss, options; remove them, or use only host, port, sslmode"):
        postgresql.configured(workspace)


def test_the_driver_is_needed(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(postgresql.ADDRESS, "postgresql://db.internal")
    monkeypatch.setattr("core.drivers.find_spec", lambda name: None)
    with pytest.raises(NotInstalled, match="make postgres"):
        postgresql.configured(workspace)
