"""New feedback databases: in SQLite for `make test`, and the same tests on a real server for `make test-services`."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from feedback.store import database
from feedback.store.database import Database
from tests.services import postgres

Address = Path | str
Fresh = Callable[[], Address]
"""Gives the address of a database that does not have its tables yet."""


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def fresh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fresh]:
    if request.param == "sqlite":
        yield lambda: tmp_path_factory.mktemp("database") / "data" / "feedback.db"
        return
    if postgres.programs() is None:
        pytest.skip("no PostgreSQL: apt-get install postgresql")
    with postgres.serving() as url:
        yield created(url)


def created(url: str) -> Fresh:
    """New schemas in a database, one a call: tables without a schema of their own go there."""
    numbers = count()

    def create() -> Address:
        import psycopg  # an extra: only `make test-services` installs it
        from psycopg import sql

        name = f"test_{next(numbers)}"
        with psycopg.connect(url) as connection:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
        return f"{url}&options=-csearch_path%3D{name}"

    return create


@pytest.fixture
def address(fresh: Fresh) -> Address:
    return fresh()


@pytest.fixture
def db(address: Address) -> Iterator[Database]:
    opened = database.connect(address)
    yield opened
    opened.close()
