"""Environment variables: those that nothing reads, and those with a value that cannot work."""

import difflib
import os
from collections.abc import Iterator
from pathlib import Path

from tasks.doctor.diagnosis import Diagnosis, error, path, warning
from tasks.state.workspace import Workspace

KNOWN = (
    "ROUNDS_FEEDBACK_DATABASE",
    "ROUNDS_LAUNCHER",
    "ROUNDS_LAUNCH_FOLDER",
    "ROUNDS_LINE",
    "ROUNDS_MLFLOW_PAGES",
    "ROUNDS_POSTGRESQL",
    "ROUNDS_RENDEZVOUS",
    "ROUNDS_REWARD_TOKEN",
    "ROUNDS_SERVICES",
    "ROUNDS_UPSTREAM_KEY",
    "ROUNDS_WORKSPACE",
)
"""Every environment variable of our own."""


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """Unknown names that begin with ROUNDS_, contradictions, and a home folder that cannot be written."""
    for name in sorted(os.environ):
        if name.startswith("ROUNDS_") and name not in KNOWN:
            close = difflib.get_close_matches(name, KNOWN, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            yield warning(f"nothing reads the environment variable {name}{hint}", f"unset {name}")
    yield from _workspace(workspace)
    yield from _tools()
    yield from _home()


def _workspace(workspace: Workspace) -> Iterator[Diagnosis]:
    named = os.environ.get("ROUNDS_WORKSPACE")
    if named and Path(named).resolve() != workspace.root.resolve():
        yield warning(
            f"ROUNDS_WORKSPACE is {named}, and this is {workspace.root}: commands without -w use the former",
            f"export ROUNDS_WORKSPACE={path(workspace.root)}",
        )


def _tools() -> Iterator[Diagnosis]:
    if "MLFLOW_RUN_ID" in os.environ:
        yield warning("MLFLOW_RUN_ID is set: other programs would log into that run", "unset MLFLOW_RUN_ID")
    address = os.environ.get("MLFLOW_TRACKING_URI", "")
    if (address and "://" not in address) or address.startswith("file:"):
        yield error(
            f"MLFLOW_TRACKING_URI is {address}: MLflow does not store runs in folders any more",
            "unset MLFLOW_TRACKING_URI",
        )
    prefect = os.environ.get("PREFECT_API_URL", "").rstrip("/")
    if prefect and not prefect.endswith("/api"):
        yield warning(f"PREFECT_API_URL is {prefect}, without /api at its end", f"export PREFECT_API_URL={prefect}/api")


def _home() -> Iterator[Diagnosis]:
    """Prefect and DVC each need a folder below the home folder, unless a variable names another."""
    home = Path(os.environ.get("HOME") or "/")
    for name, default in (("PREFECT_HOME", home / ".prefect"), ("DVC_SITE_CACHE_DIR", Path("/var/tmp/dvc"))):
        folder = Path(os.environ.get(name) or default)
        nearest = next(each for each in (folder, *folder.parents) if each.exists())
        if not os.access(nearest, os.W_OK | os.X_OK):
            yield error(f"{folder} cannot be written", f'export {name}="$(mktemp -d)"')
