"""Errors of SQLite on a full disk. SQLite calls a file beyond its limit an I/O error, and only ENOSPC a full disk."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from core.sqlite_errors import DiskProblem, disk_problem
from tests.full_disk import full_disk

LIMIT = DiskProblem(
    "disk I/O error (File too large)",
    "raise the limit of the size of a file (`ulimit -f`), then type the command again",
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as database:
        yield database


def refused(database: sqlite3.Connection, statement: str) -> sqlite3.Error:
    with pytest.raises(sqlite3.Error) as caught:
        database.execute(statement)
    return caught.value


@pytest.mark.parametrize(
    ("mode", "limit", "code"),
    [
        ("DELETE", 1000, "SQLITE_IOERR_WRITE"),
        ("WAL", 1000, "SQLITE_IOERR_SHMSIZE"),
        ("WAL", 40_000, "SQLITE_IOERR_WRITE"),
    ],
)
def test_an_io_error_beyond_the_limit_of_a_file_says_so(
    database: sqlite3.Connection, tmp_path: Path, mode: str, limit: int, code: str
) -> None:
    database.execute(f"PRAGMA journal_mode={mode}")
    with full_disk(limit):
        error = refused(database, "CREATE TABLE t AS SELECT randomblob(100000) AS x")
        assert error.sqlite_errorname == code
        assert disk_problem(error, tmp_path / "a.db") == disk_problem(error, tmp_path) == LIMIT
    database.execute("CREATE TABLE t AS SELECT 1 AS x")


def test_a_limit_that_the_database_has_nearly_reached_is_found(database: sqlite3.Connection, tmp_path: Path) -> None:
    """A new small file could be written."""
    database.execute("CREATE TABLE t AS SELECT randomblob(100000) AS x")
    with full_disk((tmp_path / "a.db").stat().st_size):
        error = refused(database, "INSERT INTO t SELECT randomblob(5000)")
        assert disk_problem(error, tmp_path / "a.db") == LIMIT


def test_what_is_full_without_a_reason_names_both_disks(database: sqlite3.Connection, tmp_path: Path) -> None:
    database.execute("PRAGMA max_page_count=2")
    error = ValueError("a library's")
    error.__cause__ = refused(database, "CREATE TABLE t AS SELECT randomblob(100000) AS x")
    problem = disk_problem(error, tmp_path / "a.db")
    assert problem is not None
    assert (problem.reason, "on that of /tmp" in problem.cure) == ("database or disk is full", True)
    assert [file.name for file in tmp_path.iterdir()] == ["a.db"]


def test_other_errors_are_not_of_the_disk(database: sqlite3.Connection, tmp_path: Path) -> None:
    assert disk_problem(refused(database, "SELECT 1 FROM nothing"), tmp_path / "a.db") is None
    assert disk_problem(sqlite3.Error("of the module"), tmp_path / "a.db") is None
    assert disk_problem(OSError(28, "No space left on device"), tmp_path / "a.db") is None
