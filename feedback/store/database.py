"""The feedback database: SQLite in a file of the workspace, or PostgreSQL. It is migrated whenever it is opened.

A transaction that writes is durable once it returns: SQLite flushes its write-ahead log at every commit
(`synchronous=FULL`), and PostgreSQL is asked for `synchronous_commit` even where the server's default is weaker. SQLite
overwrites what is deleted with zeros (`secure_delete`), whatever the library's default is.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, inspect, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from core.drivers import missing_postgresql
from core.errors import BadParams, BadWorkspace, RoundsError
from core.sqlite_errors import disk_problem
from core.urls import sqlite
from feedback.store import cures
from feedback.store.tables import inserting
from feedback.store.tables import owner as owners

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0006"
"""The newest migration."""

VERSION_TABLE = "feedback_schema_version"
"""Not alembic's default, so that MLflow or Prefect can keep their tables in the same PostgreSQL database."""

WAIT = 30
"""Seconds that a writer waits for the writer before it."""

CONNECTED = 10
"""Seconds within which PostgreSQL accepts a connection and lets it in."""

_WAITS = {
    "connect_timeout": CONNECTED,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""Parameters of connections to PostgreSQL, which a URL can set otherwise. A connection to a machine that is gone ends
after 25 s, or 30 s (in ms) after data that was not acknowledged: without these, the system keeps it for hours."""

_LOCK = 0x726F756E6473
"""Key of the PostgreSQL advisory lock that is held while tables are created."""

_CONFLICTS = ("40001", "40P01")
"""SQLSTATE of a serialisation failure and of a deadlock: PostgreSQL rolled back, and asks to try again."""

_ATTEMPTS = 5

_DURABLE = text(f"SELECT set_config('synchronous_commit', 'on', true), set_config('lock_timeout', '{WAIT}s', true)")
"""For one transaction: it is durable once committed, and waits for locks of others as long as SQLite's writers do."""

Result = TypeVar("Result")

Change = Callable[[Connection], None]
"""Writes in the transaction of a connection. What it raises leaves nothing of the transaction."""


class NoDatabase(RoundsError):
    """The feedback database does not answer, or rejects the connection."""


class Database:
    """An open feedback database. Several threads and processes may use one database at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def address(self) -> str:
        """The URL without its password."""
        return self._engine.url.render_as_string(hide_password=True)

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in one transaction; what it wrote is durable when this returns, or was not written at all.

        `work` runs again where PostgreSQL resolved a deadlock between two transactions by rolling this one back.

        Raises:
            NoDatabase: the database does not answer, or another process has been writing for 30 seconds.
        """
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._attempt(work)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in _CONFLICTS:
                    raise self._unavailable(error) from error
        with self._explaining():
            return self._attempt(work)

    def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work`, which only reads; it sees one state of the database.

        Raises:
            NoDatabase: the database does not answer.
        """
        with self._explaining(), self._engine.connect() as connection:
            if self.dialect == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                return work(connection)

    def compact(self) -> None:
        """Free the disk of deleted rows. SQLite then has no byte of them; PostgreSQL's own vacuum frees them later.

        Raises:
            NoDatabase: see `empty_log`.
        """
        if self.dialect == "sqlite":
            with self._explaining(), self._engine.connect() as connection:
                connection.exec_driver_sql("COMMIT")  # VACUUM runs outside a transaction only
                connection.exec_driver_sql("VACUUM")
        self.empty_log()

    def empty_log(self) -> None:
        """Empty SQLite's write-ahead log, which has deleted rows as they were; in the file, zeros replaced them.

        Raises:
            NoDatabase: the database does not answer, or others have been using it for 30 seconds.
        """
        if self.dialect != "sqlite":
            return
        with self._explaining(), self._engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")
            [busy, *_] = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
        if busy:
            raise NoDatabase(
                f"the feedback database {self.address} has been in use for {WAIT} s, and what was deleted is still in "
                "its write-ahead log; try again when the other process has ended"
            )

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _attempt(self, work: Callable[[Connection], Result]) -> Result:
        with self._engine.connect().execution_options(rounds_writes=True) as connection, connection.begin():
            if self.dialect == "postgresql":
                connection.execute(_DURABLE)
            return work(connection)

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: DBAPIError) -> NoDatabase:
        file = self._engine.url.database
        if self.dialect == "sqlite" and file and (problem := disk_problem(error, Path(file))):
            return NoDatabase(
                f"the feedback database {self.address} cannot be written: {problem.reason}; {problem.cure}"
            )
        reason = str(error.orig).strip().partition("\n")[0]
        todo = cures.cure(self.dialect, reason)
        return NoDatabase(f"the feedback database {self.address} cannot be used: {reason}; {todo}")


class DatabaseState(NamedTuple):
    """What is known of a database without changing it."""

    owner: str | None
    """The id of the workspace that uses it."""
    current: bool
    """Whether all migrations were applied."""
    problem: str | None = None
    """What SQLite says of a damaged file."""


def state(address: Path | str, patience: int = 5) -> DatabaseState:
    """Owner and state of a database, which is neither created, changed nor migrated.

    Args:
        address: an existing file, or a URL.
        patience: seconds to wait for an answer.

    Raises:
        RoundsError: see `connect`.
    """
    if isinstance(address, Path):
        return _state_of_file(address, patience)
    url = _url(address)
    engine = _engine(
        url if url.get_backend_name() == "sqlite" else url.update_query_dict({"connect_timeout": str(patience)})
    )
    database = Database(engine)
    try:
        revision = database.read(_revision)
        return DatabaseState(database.read(_owner) if revision == HEAD else None, revision == HEAD)
    finally:
        database.close()


def _state_of_file(file: Path, patience: int) -> DatabaseState:
    """The same of a file, with Python's own SQLite: SQLAlchemy takes a second to load, and would write to the file."""
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=patience)) as reading:
            problem = str(reading.execute("pragma quick_check(1)").fetchone()[0])
            if problem != "ok":
                return DatabaseState(None, True, problem)
            [revision] = reading.execute(f"select version_num from {VERSION_TABLE}").fetchone() or [None]
            owner = reading.execute("select workspace from feedback_owner").fetchone() if revision == HEAD else None
    except sqlite3.OperationalError as error:
        return DatabaseState(None, False, None if "no such table" in str(error) else str(error))
    except sqlite3.DatabaseError as error:
        return DatabaseState(None, True, str(error))
    return DatabaseState(owner and str(owner[0]), revision == HEAD)


def connect(address: Path | str, owner: str | None = None) -> Database:
    """Open a database, and create or migrate its tables.

    Args:
        address: a file (created if missing), or a URL that begins with `postgresql://` or `sqlite:///`.
        owner: the id of the workspace that uses it; the first one becomes its owner. None opens it as it is.

    Raises:
        BadParams: the URL is invalid, or of another kind of database.
        NotInstalled: the driver for PostgreSQL is missing.
        NoDatabase: the database does not answer.
        BadWorkspace: a later version of rounds migrated the database, or another workspace owns it.
    """
    database = Database(_engine(_url(address)))
    try:
        if database.read(_revision) != HEAD:
            database.write(_migrate)
        if owner is not None:
            _check_owner(database, owner)
    except RoundsError:
        database.close()
        raise
    return database


def _check_owner(database: Database, own: str) -> None:
    """Two workspaces on one database would each ingest a part of the events that are meant for both or for one."""
    known = database.read(_owner) or database.write(lambda connection: _become_owner(connection, own))
    if known != own:
        raise BadWorkspace(
            f"the feedback database {database.address} belongs to another workspace (the id in its data/workspace.json "
            f"is {known}, here it is {own}); give each workspace a database or a schema of its own "
            "(docs/operations.md), or, if this workspace replaces that one, copy its data/workspace.json"
        )


def _owner(connection: Connection) -> str | None:
    return connection.execute(select(owners.c.workspace)).scalar()


def _become_owner(connection: Connection, own: str) -> str | None:
    connection.execute(inserting(connection, owners, [{"row": 1, "workspace": own}], "row"))
    return _owner(connection)


def _url(address: Path | str) -> URL:
    if isinstance(address, Path):
        try:
            address.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NoDatabase(
                f"the folder of the feedback database {address} cannot be created ({error}); make the folder above it "
                "writable"
            ) from error
        return make_url(sqlite(address))
    try:
        url = make_url(address)
    except (ArgumentError, ValueError) as error:  # ValueError: the port is not a number
        raise BadParams(
            "ROUNDS_FEEDBACK_DATABASE is not a URL; set it to postgresql://USER:PASSWORD@HOST/DATABASE"
        ) from error
    if url.get_backend_name() not in ("postgres", "postgresql", "sqlite"):
        raise BadParams(
            f"{url.render_as_string()} is a database that feedback cannot be stored in; "
            "use postgresql://USER:PASSWORD@HOST/DATABASE"
        )
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise BadParams("ROUNDS_FEEDBACK_DATABASE names no file; write sqlite:////FOLDER/feedback.db")
    return url.set(drivername="postgresql+psycopg") if url.get_backend_name().startswith("postgres") else url


def _engine(url: URL) -> Engine:
    """The engine; its errors do not quote values, which are texts of people: a server logs them with their causes."""
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": WAIT})
        event.listen(engine, "connect", _configure)
        event.listen(engine, "begin", _begin)
        return engine
    try:
        waits = {name: value for name, value in _WAITS.items() if name not in url.query}
        return create_engine(url, pool_pre_ping=True, hide_parameters=True, connect_args=waits)
    except ImportError as error:
        raise missing_postgresql() from error


def _configure(connection: Any, _: object) -> None:
    """Settings that SQLite keeps per connection, but for WAL, which the file keeps."""
    connection.isolation_level = None  # Python begins no transactions of its own
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    """A writer takes SQLite's lock at once: one that first read could not wait for it, and would fail."""
    writes = connection.get_execution_options().get("rounds_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _revision(connection: Connection) -> str | None:
    """The newest migration that was applied; None in a new database."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()


def _migrate(connection: Connection) -> None:
    from alembic import command  # only here: a database that is up to date is opened without alembic
    from alembic.config import Config
    from alembic.util import CommandError

    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise BadWorkspace(
            f"the feedback database {connection.engine.url.render_as_string()} was migrated by a later version of "
            f"rounds ({error}); use that version, or restore a backup of the database"
        ) from error
