"""Whether the databases of Prefect and MLflow have the schema of the versions that are installed.

Both note the version of their schema in a table of alembic; the versions that an installed package knows are its
migrations, which are read as text, because importing the package takes seconds.
"""

import re
import sqlite3
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from core import urls
from core.errors import RoundsError
from tasks.services.postgresql import Databases
from tasks.state.workspace import Workspace

_REVISION = re.compile(r"^(?P<which>revision|down_revision)\b[^=\n]*=\s*[\"'](?P<id>\w+)[\"']", re.MULTILINE)

_MLFLOW = "store/db_migrations/versions"
_PREFECT = "server/database/_migrations/versions"


class OtherSchema(RoundsError):
    """A database was written by an earlier or later version of its tool."""


class Migrations(NamedTuple):
    """The versions of a schema that an installed package knows."""

    known: frozenset[str]
    newest: frozenset[str]
    """Those that no other follows."""

    def compared(self, revision: str | None) -> str:
        """Whether a database is `current`, `older` or `newer`; one without tables, or that cannot be told, is current.

        Args:
            revision: its version; None if it has no tables.
        """
        if revision is None or not self.known or revision in self.newest:
            return "current"
        return "older" if revision in self.known else "newer"


def migrations(package: str, folder: str) -> Migrations:
    """The versions that a package knows; none if the package keeps them elsewhere.

    Args:
        package: its name.
        folder: where its migrations are, inside of it.
    """
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec else None
    files = [file for place in places or () for file in sorted(Path(place, folder).glob("*.py"))]
    found = [match for file in files for match in _REVISION.finditer(file.read_text(encoding="utf-8"))]
    known = frozenset(match["id"] for match in found if match["which"] == "revision")
    return Migrations(known, known - {match["id"] for match in found if match["which"] == "down_revision"})


def check(workspace: Workspace, databases: Databases | None) -> list[str]:
    """Check both databases; notes on what is going to be migrated.

    Raises:
        OtherSchema: a database cannot be used by the installed version; says what to do.
        NoServer: the PostgreSQL server does not answer.
    """
    if databases:
        from tasks.tools.postgresql import revision

        mlflow, prefect, dialect = revision(databases.mlflow), revision(databases.history), "postgresql"
    else:
        mlflow, prefect, dialect = _of_file(workspace.database), _of_file(workspace.prefect_database), "sqlite"
    _check_mlflow(workspace, databases, migrations("mlflow", _MLFLOW).compared(mlflow))
    found = migrations("prefect", f"{_PREFECT}/{dialect}").compared(prefect)
    where = f"the database {databases.names[0]}" if databases else str(workspace.prefect_database)
    if found == "newer":
        raise OtherSchema(
            f"{where} was written by a later version of Prefect than the installed one; install that version, or "
            "move the database away: schedules are then made again, and the list of earlier runs is empty"
        )
    return [f"{where} is of an earlier version of Prefect, which the server now migrates"] if found == "older" else []


def _check_mlflow(workspace: Workspace, databases: Databases | None, found: str) -> None:
    where = f"the database {databases.names[1]}" if databases else str(workspace.database)
    address = "postgresql://USER:PASSWORD@HOST/" + databases.names[1] if databases else urls.sqlite(workspace.database)
    if found == "older":
        raise OtherSchema(
            f"{where} was written by an earlier version of MLflow than the installed one; save a copy of it, then "
            f"migrate it with `mlflow db upgrade {quote(address)}`"
        )
    if found == "newer":
        raise OtherSchema(
            f"{where} was written by a later version of MLflow than the installed one; install that version, or "
            "restore a backup of the database"
        )


def _of_file(file: Path) -> str | None:
    """The version in an SQLite file, which is neither made nor changed."""
    if not file.exists():
        return None
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
            row = database.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:  # no tables yet; damage is reported by the tool itself
        return None
    return str(row[0]) if row else None
