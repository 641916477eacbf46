"""Databases on a PostgreSQL server: made where they are missing, and asked for the version of their schema."""

from core.drivers import require_driver
from core.errors import RoundsError

PATIENCE = 10
"""Seconds to wait for a connection."""


class NoServer(RoundsError):
    """The PostgreSQL server of ROUNDS_POSTGRESQL does not answer, or refuses to make a database."""


def create(server: str, name: str) -> bool:
    """Make a database unless it is there; False if it was.

    Args:
        server: the URL of any database of the server, for example `postgres`.
        name: the name of the new database, which needs no quoting in a URL.

    Raises:
        NotInstalled: the driver is missing.
        NoServer: the server does not answer, or this user may not make databases.
    """
    require_driver(server)
    import psycopg
    from psycopg import sql

    try:
        with psycopg.connect(server, connect_timeout=PATIENCE, autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                return False
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except psycopg.errors.DuplicateDatabase:  # another process was faster
        return False
    except psycopg.errors.InsufficientPrivilege as error:
        raise NoServer(
            f"the database {name} is missing on the server of ROUNDS_POSTGRESQL, and its user may not create it; "
            f"create it as an administrator: `createdb --owner USER {name}`"
        ) from error
    except psycopg.Error as error:
        raise _silent(error) from error
    return True


def revision(database: str) -> str | None:
    """The version of the schema that alembic noted in a database; None if it has no tables yet.

    Raises:
        NoServer: the server does not answer.
    """
    import psycopg

    try:
        with psycopg.connect(database, connect_timeout=PATIENCE) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    except psycopg.Error as error:
        raise _silent(error) from error
    return str(row[0]) if row else None


def _silent(error: Exception) -> NoServer:
    reason = str(error).strip().partition("\n")[0]
    return NoServer(
        f"the PostgreSQL server of ROUNDS_POSTGRESQL cannot be used ({reason}); start it, or correct the address"
    )
