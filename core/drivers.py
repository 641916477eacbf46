"""Drivers of databases, which are installed as extras."""

from importlib.util import find_spec

from core.errors import NotInstalled

POSTGRESQL = {"postgresql": "psycopg", "postgresql+psycopg": "psycopg", "postgresql+psycopg2": "psycopg2"}
"""Scheme of a URL → the module that SQLAlchemy imports for it."""


def require_driver(address: str) -> None:
    """Check that the driver for a database is there, before a library that uses it retries for minutes.

    Raises:
        NotInstalled: the URL is one of PostgreSQL, and its driver is missing.
    """
    module = POSTGRESQL.get(address.partition("://")[0])
    if module and find_spec(module) is None:
        raise missing_postgresql(module)


def missing_postgresql(module: str = "psycopg") -> NotInstalled:
    """The error that the driver for PostgreSQL is not installed."""
    return NotInstalled(f"the driver for PostgreSQL is not installed ({module}); install it with `make postgres`")
