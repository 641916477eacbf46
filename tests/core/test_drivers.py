"""The driver for PostgreSQL is an extra; where it is missing, it is named with the command that installs it."""

import sys

import pytest

from core.drivers import missing_postgresql, require_driver
from core.errors import NotInstalled


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(NotInstalled) as error:
        require_driver("postgresql://me:secret@127.0.0.1:9/runs")
    assert ("psycopg" in str(error.value), "`make postgres`" in str(error.value)) == (True, True)
    assert str(error.value) == str(missing_postgresql())


def test_other_databases_need_no_driver_of_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for address in ("sqlite:////x.db", "http://127.0.0.1:5000", "odd"):
        require_driver(address)
