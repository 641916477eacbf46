"""Opening a feedback database, its migrations, and its errors."""

import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from core.errors import BadParams, BadWorkspace
from feedback.store import database, label_tasks
from feedback.store.database import HEAD, MIGRATIONS, VERSION_TABLE, Database, NoDatabase
from feedback.store.tables import metadata
from tasks.state.workspace import PROJECT
from tests.feedback.store.conftest import Address
from tests.full_disk import full_disk

OPEN = "import sys; from pathlib import Path; from feedback.store import database; address = sys.argv[1]\n"
OPEN += "database.connect(address if '://' in address else Path(address)).close()"


def test_the_migrations_make_the_tables_that_the_code_uses(db: Database) -> None:
    differences = db.read(
        lambda connection: compare_metadata(
            MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}), metadata
        )
    )
    assert differences == []


def test_the_newest_migration_is_the_one_that_is_expected() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_a_database_is_migrated_once(address: Address) -> None:
    database.connect(address).close()
    again = database.connect(address)
    versions = again.read(lambda connection: connection.execute(text(f"SELECT * FROM {VERSION_TABLE}")).all())
    assert [tuple(row) for row in versions] == [(HEAD,)]
    again.close()


def test_processes_that_open_a_new_database_at_once_all_succeed(address: Address) -> None:
    command = [sys.executable, "-c", OPEN, str(address)]
    opening = [subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [(process.communicate()[1], process.returncode) for process in opening] == [("", 0)] * 2


def test_assignments_from_before_they_had_names_are_named(tmp_path: Path) -> None:
    file = tmp_path / "feedback.db"
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        connection.execute(text("INSERT INTO feedback_items VALUES (1, 'pairs', 'pair-1', '{}', 1)"))
        for name in ("ana", "bob"):
            values = f"('pairs', 'pair-1', '{name}', 'held', '2026-11-29 12:00:00')"
            connection.execute(text(f"INSERT INTO feedback_assignments VALUES {values}"))
    engine.dispose()
    migrated = database.connect(file)
    tasks = [label_tasks.of(migrated, "pairs", "pair-1", name) for name in ("ana", "bob")]
    migrated.close()
    assert len({task.task for task in tasks if task}) == 2
    assert [(task.stored, task.finished_at) for task in tasks if task] == [(0, None)] * 2


def test_a_log_that_somebody_reads_is_not_emptied_and_this_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "WAIT", 0)
    db = database.connect(tmp_path / "feedback.db")

    def read(connection: Connection) -> None:
        connection.execute(text("SELECT * FROM feedback_owner")).all()
        db.write(lambda writing: writing.execute(text("INSERT INTO feedback_owner VALUES (1, 'a workspace')")))
        with pytest.raises(NoDatabase, match="has been in use for 0 s, and what was deleted is still in"):
            db.empty_log()

    db.read(read)
    db.empty_log()
    log = tmp_path / "feedback.db-wal"
    assert not log.exists() or log.stat().st_size == 0, "the last connection removes it"
    db.close()


def test_sqlite_overwrites_what_is_deleted(tmp_path: Path) -> None:
    db = database.connect(tmp_path / "feedback.db")
    assert db.read(lambda connection: connection.execute(text("PRAGMA secure_delete")).scalar()) == 1
    db.close()


def test_a_database_of_a_later_version_is_refused(address: Address) -> None:
    opened = database.connect(address)
    opened.write(lambda connection: connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")))
    opened.close()
    with pytest.raises(BadWorkspace, match="9999"):
        database.connect(address)


def test_what_failed_is_not_written(db: Database) -> None:
    def work(connection: Connection) -> None:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = 'x'"))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        db.write(work)
    assert db.read(lambda connection: connection.execute(text(f"SELECT * FROM {VERSION_TABLE}")).scalar()) == HEAD


def test_sqlite_flushes_every_commit(tmp_path: Path) -> None:
    opened = database.connect(tmp_path / "feedback.db")
    pragmas = ("journal_mode", "synchronous", "foreign_keys")
    values = opened.read(lambda c: [c.exec_driver_sql(f"PRAGMA {pragma}").scalar() for pragma in pragmas])
    assert values == ["wal", 2, 1], "2 is FULL"
    opened.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    file = tmp_path / "feedback.db"
    file.write_text("not a database " * 100)
    with pytest.raises(NoDatabase, match=r"feedback\.db"):
        database.connect(file)


@pytest.mark.parametrize("url", ["mysql://host/name", "not a url", "https://host/name"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(BadParams, match="postgresql://"):
        database.connect(url)


def test_a_password_is_not_shown() -> None:
    with pytest.raises(BadParams) as caught:
        database.connect("mysql://user:secret@host/name")
    assert "secret" not in str(caught.value)


def test_a_full_disk_is_named_and_what_was_stored_before_is_there_afterwards(tmp_path: Path) -> None:
    file = tmp_path / "feedback.db"
    opened = database.connect(file)
    opened.write(lambda connection: connection.exec_driver_sql("CREATE TABLE t AS SELECT 1 AS x"))
    insert = "INSERT INTO t SELECT randomblob(100000)"
    for refused in (lambda: opened.write(lambda connection: connection.exec_driver_sql(insert)), opened.compact):
        with full_disk(), pytest.raises(NoDatabase) as error:
            refused()
        assert str(error.value) == (
            f"the feedback database sqlite:///{file} cannot be written: disk I/O error (File too large); raise the "
            "limit of the size of a file (`ulimit -f`), then type the command again"
        )
    rows = opened.read(lambda connection: connection.exec_driver_sql("SELECT x FROM t").all())
    assert [tuple(row) for row in rows] == [(1,)]
    opened.close()


def test_an_error_and_its_causes_do_not_quote_what_was_to_be_stored(db: Database) -> None:
    values = {"name": "Ana, of Rose " + "Lane 7"}
    with pytest.raises(NoDatabase) as error:
        db.write(lambda connection: connection.execute(text("INSERT INTO nothing VALUES (:name)"), values))
    printed = "".join(traceback.format_exception(error.value))
    assert ("INSERT INTO nothing" in printed, "Rose Lane" in printed) == (True, False)
