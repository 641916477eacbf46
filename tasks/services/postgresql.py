"""One PostgreSQL server for Prefect, MLflow and the feedback store, with a database of its own for each.

`ROUNDS_POSTGRESQL` is the URL of the server; the databases are named after the workspace's id, so that several
workspaces can use one server.
"""

import os
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from core.drivers import require_driver
from core.errors import BadParams
from tasks.state import feedback_database, identity
from tasks.state.workspace import Workspace

ADDRESS = "ROUNDS_POSTGRESQL"
"""The environment variable with the URL of a PostgreSQL server, without a database or with one that exists."""

DIGITS = 8
"""Digits of the workspace's id in the name of a database."""

_OPTIONS = {"host": "host", "port": "port", "sslmode": "ssl"}
"""Parameter of the URL → its name for asyncpg, the driver of Prefect."""

_SCHEMES = ("postgresql", "postgres")


class Databases(NamedTuple):
    """The URLs of the databases, each for the driver of its tool."""

    server: str
    """The URL to make databases by."""
    prefect: str
    """For asyncpg."""
    history: str
    """The same database for psycopg."""
    mlflow: str
    feedback: str
    names: tuple[str, str, str]
    """Of the databases for Prefect, MLflow and feedback."""


def configured(workspace: Workspace) -> Databases | None:
    """The databases of a workspace; None if `ROUNDS_POSTGRESQL` is not set.

    Raises:
        BadParams: it is not the URL of a PostgreSQL server.
        NotInstalled: the driver is missing.
    """
    address = os.environ.get(ADDRESS)
    if not address:
        return None
    server = _parsed(address)
    require_driver("postgresql://")
    prefix = f"rounds_{identity.made(workspace).id[:DIGITS]}"
    names = (f"{prefix}_prefect", f"{prefix}_mlflow", f"{prefix}_feedback")
    ours = dict(parse_qsl(server.query))
    theirs = urlencode({_OPTIONS[name]: value for name, value in ours.items()})
    return Databases(
        server=_url(server, "postgresql", server.path.strip("/") or "postgres", server.query),
        prefect=_url(server, "postgresql+asyncpg", names[0], theirs),
        history=_url(server, "postgresql", names[0], server.query),
        mlflow=_url(server, "postgresql", names[1], server.query),
        feedback=os.environ.get(feedback_database.ADDRESS) or _url(server, "postgresql", names[2], server.query),
        names=names,
    )


def create(databases: Databases) -> list[str]:
    """Make the databases that are missing; the names of those that were made.

    Raises:
        NoServer: see `tasks.tools.postgresql.create`.
    """
    from tasks.tools import postgresql

    return [name for name in databases.names if postgresql.create(databases.server, name)]


def _parsed(address: str) -> SplitResult:
    try:
        server = urlsplit(address)
        port = server.port
    except ValueError:
        port = None
        server = SplitResult("", "", "", "", "")
    if server.scheme not in _SCHEMES or not (server.hostname or "host=" in server.query) or port == 0:
        raise BadParams(
            f"{ADDRESS} is not the URL of a PostgreSQL server; set it to postgresql://USER:PASSWORD@HOST:PORT"
        )
    if unknown := sorted({name for name, _ in parse_qsl(server.query)} - _OPTIONS.keys()):
        raise BadParams(
            f"{ADDRESS} has parameters that not all of its users know: {', '.join(unknown)}; remove them, or use only "
            f"{', '.join(sorted(_OPTIONS))}"
        )
    return server


def _url(server: SplitResult, scheme: str, database: str, query: str) -> str:
    return f"{scheme}://{server.netloc}/{database}{'?' if query else ''}{query}"
