"""MLflow's database stores whole paths; those of a workspace that was moved or copied are corrected at its next use.

Only the database file in the workspace is concerned. MLflow has no relative addresses: it makes them absolute before
it stores them.
"""

import logging
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core import urls
from tasks.state.workspace import Workspace

ADDRESSES = (
    ("experiments", "artifact_location", ""),
    ("runs", "artifact_uri", ""),
    ("model_versions", "source", ""),
    ("model_versions", "storage_location", ""),
    ("logged_models", "artifact_location", ""),
    ("trace_tags", "value", "key = 'mlflow.artifactLocation'"),
)
"""Table, column and condition of every whole path in MLflow's database."""

_PATIENCE = 60.0
"""Seconds to wait for another process that writes to the database."""

_logger = logging.getLogger(__name__)


def recorded_folders(workspace: Workspace) -> list[str]:
    """The `file:` URLs at which MLflow's database looks for the artifacts of this workspace.

    It is one, that of the folder `mlruns`, unless the workspace was moved and not used since. Empty if there is no
    database, or it cannot be read: MLflow reports that.
    """
    if not workspace.database.exists():
        return []
    try:
        with closing(_connected(workspace.database, "ro")) as database:
            return _recorded(database, workspace)
    except sqlite3.Error:
        return []


def readdress(workspace: Workspace) -> list[str]:
    """Correct the addresses of a workspace that was moved or copied; call it while no other process does.

    Nothing is changed while the artifacts are still only at the old place, or where the workspace is read-only.

    Returns:
        the addresses that were replaced; empty if the workspace has not moved.
    """
    now = urls.folder(workspace.artifacts)
    moved = [url for url in recorded_folders(workspace) if url != now]
    if not moved or not (workspace.artifacts.is_dir() or not any(map(_exists, moved))):
        return []
    try:
        _replace(workspace, moved, now)
    except sqlite3.OperationalError as error:
        _logger.warning("%s was moved, and its addresses cannot be corrected: %s", workspace.root, error)
        return []
    _logger.warning("%s was at %s; addresses in mlflow.db were corrected", workspace.root, root_of(moved[0]))
    return moved


def _replace(workspace: Workspace, moved: Iterable[str], now: str) -> None:
    """Replace the beginning of every address, in one transaction."""
    with closing(_connected(workspace.database, "rw")) as database, database:
        database.execute("begin immediate")
        known = {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
        for table, column, condition in ADDRESSES:
            for before in moved if table in known else ():
                database.execute(
                    f"update {table} set {column} = ? || substr({column}, ?) "  # names of `ADDRESSES` only
                    f"where ({column} = ? or substr({column}, 1, ?) = ?)" + (f" and {condition}" if condition else ""),
                    (now, len(before) + 1, before, len(before) + 1, f"{before}/"),
                )


def _recorded(database: sqlite3.Connection, workspace: Workspace) -> list[str]:
    query = "select distinct artifact_location from experiments where artifact_location like 'file:%' order by 1"
    locations = [str(location) for (location,) in database.execute(query)]
    return [location for location in locations if Path(_path(location)).name == workspace.artifacts.name]


def _connected(file: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode={mode}", uri=True, timeout=_PATIENCE)


def _exists(url: str) -> bool:
    return Path(_path(url)).is_dir()


def root_of(url: str) -> Path:
    """The workspace that has its artifacts at a `file:` URL."""
    return Path(_path(url)).parent


def _path(url: str) -> str:
    return unquote(urlsplit(url).path)
