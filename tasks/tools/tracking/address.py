"""Where runs and versions are stored: on a server, or in a database file of the workspace."""

import os
from pathlib import Path

from core import urls
from tasks.state.workspace import Workspace

VARIABLE = "MLFLOW_TRACKING_URI"

PAGES = "ROUNDS_MLFLOW_PAGES"
"""The address of an MLflow server that shows the workspace's own database; `rounds up` sets it for its services."""


def uri(root: Path) -> str:
    """URI of the store of runs and versions: `MLFLOW_TRACKING_URI`, else a database file in the workspace."""
    return os.environ.get("MLFLOW_TRACKING_URI") or urls.sqlite(Workspace(root).database)


def is_local(root: Path) -> bool:
    """Whether runs and versions are in the workspace's own database, which has one line of models."""
    return uri(root) == urls.sqlite(Workspace(root).database)


def exists(root: Path) -> bool:
    """False if the store is a database file that nobody has created yet: then there are no runs and no versions."""
    file = urls.sqlite_file(uri(root))
    return file is None or file.exists()


def pages(root: Path) -> str | None:
    """The address of the server whose pages show runs and versions; None if none is known."""
    address = uri(root)
    if served(address):
        return urls.without_secrets(address).rstrip("/")
    return os.environ.get(PAGES) if is_local(root) else None


def run_page(root: Path, experiment: str, run_id: str) -> str | None:
    """The address of a run's page; None if no server is known that shows it."""
    server = pages(root)
    return f"{server}/#/experiments/{experiment}/runs/{run_id}" if server else None


def served(address: str) -> bool:
    """True for the address of a server, False for that of a database."""
    return address.startswith(("http://", "https://"))
