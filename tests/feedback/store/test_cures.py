"""Errors of real databases, each with a cure that fits; and the cure, typed."""

import os
import tempfile
from contextlib import closing
from pathlib import Path
from typing import LiteralString

import pytest

from core.errors import BadParams
from feedback.store import database
from feedback.store.cures import cure
from feedback.store.database import NoDatabase
from tests.services import postgres

NOBODY = 65534


def test_a_folder_in_place_of_the_file_and_a_file_in_place_of_the_folder_are_named(tmp_path: Path) -> None:
    (tmp_path / "feedback.db").mkdir()
    with pytest.raises(NoDatabase, match="name a file, not a folder"):
        database.connect(tmp_path / "feedback.db")
    (tmp_path / "file").write_text("")
    with pytest.raises(NoDatabase, match="folder of the feedback database"):
        database.connect(tmp_path / "file" / "feedback.db")


def test_a_folder_of_a_url_has_to_exist(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/none/feedback.db"
    with pytest.raises(NoDatabase, match="create its folder"):
        database.connect(url)
    (tmp_path / "none").mkdir()
    database.connect(url).close()


def test_a_url_without_a_file_and_a_port_that_is_no_number_are_refused() -> None:
    with pytest.raises(BadParams, match="names no file"):
        database.connect("sqlite://")
    with pytest.raises(BadParams, match="not a URL"):
        database.connect("postgresql://user:secret@host:port/feedback")


@pytest.mark.skipif(os.getuid() != 0, reason="needs a second user")
def test_a_database_of_another_user_can_be_used_once_it_is_writable() -> None:
    with tempfile.TemporaryDirectory() as name:  # not pytest's folder, which another user may not enter
        folder = Path(name)
        folder.chmod(0o755)
        database.connect(folder / "feedback.db").close()
        assert "make " in opened_by(NOBODY, folder / "feedback.db")
        folder.chmod(0o777)
        (folder / "feedback.db").chmod(0o666)
        assert opened_by(NOBODY, folder / "feedback.db") == ""


def opened_by(user: int, file: Path) -> str:
    """The error when another user opens the database, in a forked process: the user may not start this Python."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.setuid(user)
        try:
            database.connect(file).close()
        except BaseException as error:  # the child must not return into pytest
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        return pipe.read()


class Admin:
    """The owner of a server, who types statements."""

    def __init__(self, url: str) -> None:
        self._url = url

    def execute(self, statement: LiteralString) -> None:
        """Run a statement on a connection of its own: an open one would keep the server from stopping."""
        import psycopg

        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(statement)


@pytest.mark.services
@pytest.mark.skipif(postgres.programs() is None, reason="no PostgreSQL: apt-get install postgresql")
def test_errors_of_postgresql_have_a_cure_that_works() -> None:
    with postgres.serving() as url:
        admin = Admin(url)
        admin.execute("CREATE ROLE plain LOGIN")
        other = url.replace("/postgres?", "/feedback?")
        assert "`createdb NAME`" in refused(other)
        admin.execute("CREATE DATABASE feedback")
        plain = other.replace("rounds@", "plain@")
        assert "`GRANT USAGE, CREATE ON SCHEMA public TO USER`" in refused(plain)
        Admin(other).execute("GRANT USAGE, CREATE ON SCHEMA public TO plain")
        database.connect(plain).close()
        assert "correct user and password" in refused(url.replace("rounds@", "ghost@"))
        schema = f"{url}&options=-csearch_path%3Dsupport"
        assert "`CREATE SCHEMA NAME`" in refused(schema)
        admin.execute("CREATE SCHEMA support")
        database.connect(schema).close()
        assert "correct the host" in refused("postgresql://rounds@nohost.invalid/feedback")
        admin.execute("ALTER DATABASE feedback SET default_transaction_read_only = on")
        assert "primary server" in refused(other.replace("feedback?", "feedback?application_name=x&"), write=True)
    assert "start the server" in refused(url)


def refused(url: str, write: bool = False) -> str:
    """The error when a database is opened, or written to."""
    try:
        with closing(database.connect(url)) as opened:
            if write:
                opened.write(lambda connection: connection.exec_driver_sql("CREATE TABLE t (n int)"))
    except NoDatabase as error:
        return str(error)
    raise AssertionError("it was not refused")


def test_a_database_that_is_locked_or_on_a_full_disk_is_not_called_damaged() -> None:
    assert "try again" in cure("sqlite", "database is locked")
    assert "free space" in cure("sqlite", "database or disk is full")
    assert "backup" in cure("sqlite", "file is not a database")
