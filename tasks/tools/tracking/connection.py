"""Opening MLflow, and its errors in one sentence with a cure each."""

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from core import urls
from core.drivers import require_driver
from core.errors import RoundsError
from core.files import unwritable
from core.reachable import unreachable
from core.sqlite_errors import disk_problem
from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tasks.tools import relocation
from tasks.tools.tracking.address import is_local, served, uri

if TYPE_CHECKING:  # importing MLflow takes seconds, so functions import it
    from mlflow import MlflowClient as MlflowClient

FIRST_USE = "the first use of MLflow"

LOCKED = 20.0
"""Seconds that a command waits for another one that is writing to the database. MLflow waits as long at each call."""

_CURES = {
    "database is locked": f"another process has been writing to it for {LOCKED:.0f} s; try again when it has ended",
    "attempt to write a readonly database": "make the file and its folder writable; commands that read work there",
    "unable to open database file": "make its folder, and let this user write there",
    "file is not a database": "restore it from a backup, or set MLFLOW_TRACKING_URI to another one",
    "database disk image is malformed": "restore it from a backup",
}
"""What SQLite says → what to do about it."""

_RAISING = ("mlflow.", "sqlite3", "sqlalchemy.")
"""Modules of the errors of MLflow and its database."""

PATIENCE = 4.0
"""Seconds to wait for a server or a database to accept a connection."""

ATTEMPTS = 3
"""Attempts of MLflow to open a database, with 0.4 s between them. By default it makes 10, which take 100 s; no setting
changes that."""

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # notice within 3 s that a server is down; with MLflow's defaults it takes more than 85 s
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false",  # a trace is in the store when `write` returns
    "PGCONNECT_TIMEOUT": "5",  # seconds; the driver for PostgreSQL waits without end
}


class NoTracking(RoundsError):
    """MLflow does not answer, or rejects the address."""


def client(root: Path) -> "MlflowClient":
    """A client for the workspace's runs and versions; creates the tables of a database at first use.

    A database that has its tables is only read, so that a workspace on a read-only disk can be looked at.

    Raises:
        NoTracking: nothing answers at `uri(root)`; within some 10 s, also if the host drops packets.
        NotInstalled: the driver for the database is missing.
    """
    set_environment()
    _check_reachable(root)
    from mlflow import MlflowClient as MlflowClient

    with answering(root):
        # two processes that create the tables at the same time would conflict; a server has created its own
        lock = holding(Workspace(root).mlflow_lock, FIRST_USE, wait=120)
        with lock if _makes_tables(root) else nullcontext():
            if _has_moved(root):
                relocation.readdress(Workspace(root))
            store = MlflowClient(tracking_uri=uri(root), registry_uri=uri(root))
            store.search_experiments(max_results=1)
    return store


def _check_reachable(root: Path) -> None:
    """Check driver and port of a server: MLflow would retry for minutes, and hide the reason."""
    address = uri(root)
    if urls.sqlite_file(address):
        return
    require_driver(address)
    if reason := unreachable(address, PATIENCE):
        raise _silent(root, reason)
    if not served(address):
        from mlflow.store.db import utils

        utils.MAX_RETRY_COUNT = ATTEMPTS


def _silent(root: Path, reason: str) -> NoTracking:
    """The error that the server or database of runs does not answer."""
    cure = f"start it, or unset MLFLOW_TRACKING_URI to keep runs in {Workspace(root).database}"
    return NoTracking(f"{uri(root)}: MLflow does not answer; {cure}\n{reason}")


def _has_moved(root: Path) -> bool:
    """Whether the workspace has another place than its database says, and can be written, so that this is corrected."""
    workspace = Workspace(root)
    if not is_local(root) or relocation.recorded_folders(workspace) in ([], [urls.folder(workspace.artifacts)]):
        return False
    return unwritable(workspace.data) is None


def _has_tables(address: str) -> bool:
    """Whether an SQLite database has MLflow's tables and its default experiment, which is made last."""
    file = urls.sqlite_file(address)
    if file is None or not file.exists():
        return False
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", timeout=LOCKED, uri=True)) as database:
        try:
            return bool(database.execute("SELECT 1 FROM experiments LIMIT 1").fetchall())
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return False
            raise


def set_environment() -> None:
    """Set how MLflow logs and retries, where the environment does not say so. Called before it is imported."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("mlflow").setLevel(os.environ["MLFLOW_LOGGING_LEVEL"])  # in case MLflow was imported earlier
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # tracebacks of errors that are raised too


@contextmanager
def answering(root: Path) -> Iterator[None]:
    """Run a block that needs MLflow.

    Raises:
        NoTracking: MLflow did not answer, or reported an error.
    """
    try:
        yield
    except Exception as error:
        if known := explained(error, root):
            raise known from error
        raise


def full_disk(error: BaseException, root: Path) -> NoTracking | None:
    """The error in one sentence with its cure if the disk of MLflow's SQLite file caused it; None for others."""
    address = uri(root)
    file = urls.sqlite_file(address)
    if file is None or not type(error).__module__.startswith(_RAISING) or not (problem := disk_problem(error, file)):
        return None
    return NoTracking(f"{address} cannot be written: {problem.reason}; {problem.cure}")


def explained(error: BaseException, root: Path) -> NoTracking | None:
    """The error in one sentence with its cure; None if neither MLflow nor its database raised it."""
    if not type(error).__module__.startswith(_RAISING):
        return None
    if known := full_disk(error, root):
        return known
    address, text = uri(root), without_statement(str(error))
    reason = next((known for known in _CURES if known in text), None)
    if reason and not served(address):
        return NoTracking(f"{address}: {reason}; {_CURES[reason]}")
    if urls.sqlite_file(address) is None:
        return _silent(root, text)
    cure = "check that its file is there, is a database of MLflow, and can be written"
    return NoTracking(f"{address}: MLflow does not answer; {cure}\n{text}")


def without_statement(text: str) -> str:
    """The message of an error without the SQL statement and its values, which may be texts of people."""
    return text.partition("\n[SQL:")[0]


def _makes_tables(root: Path) -> bool:
    """True if the first use may create tables, or correct addresses. From a folder that is no workspace, records are
    only read."""
    if served(uri(root)) or not (is_local(root) or Workspace(root).graph.exists()):
        return False
    return not _has_tables(uri(root)) or _has_moved(root)
