"""Which workspace a command works in, and how a new one is made."""

import os
import shutil
from pathlib import Path
from shlex import quote

from core.errors import BadWorkspace
from core.private import make_new_files_private, narrow
from tasks.state.workspace import PROJECT, SHIPPED, Workspace


def at(root: Path) -> Workspace:
    """The workspace at `root`; created if the folder is missing or empty.

    Raises:
        BadWorkspace: the folder is neither empty nor a workspace, or it cannot be written.
    """
    workspace = planned(root)
    make_new_files_private(workspace.root)
    try:
        if not workspace.graph.exists():
            _copy_shipped_files(workspace.root)
        workspace.data.mkdir(exist_ok=True)
    except OSError as error:
        raise BadWorkspace(f"{workspace.root} cannot be written ({error}); name a folder that can be") from error
    narrow(workspace.root, workspace.private, workspace.cache)
    return workspace


def planned(root: Path) -> Workspace:
    """The workspace that `at` would return, without creating it.

    Raises:
        BadWorkspace: the folder is neither empty nor a workspace, or its path is not UTF-8.
    """
    root = root.resolve()
    _check_name(root)
    if root.exists() and not root.is_dir():
        raise BadWorkspace(f"{root} is not a folder; name one that is, or a new one")
    if root.exists() and any(root.iterdir()) and not (root / "dvc.yaml").exists():
        raise BadWorkspace(f"{root} is neither empty nor a workspace (no dvc.yaml); name another folder")
    return Workspace(root)


def _check_name(root: Path) -> None:
    """Raise BadWorkspace if the path is not text: databases, JSON and YAML cannot hold it."""
    try:
        str(root).encode()
    except UnicodeEncodeError as error:
        raise BadWorkspace(
            f"{str(root)!a} has bytes that are not UTF-8 in its name, or the locale is not UTF-8; rename the "
            "folder, or set PYTHONUTF8=1"
        ) from error


def _copy_shipped_files(root: Path) -> None:
    for name in SHIPPED:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / name, root / name)


def current(folder: Path | None = None) -> Workspace:
    """The existing workspace: `folder`, else $ROUNDS_WORKSPACE, else the current folder, else the project.

    Raises:
        BadWorkspace: it does not exist. It is not created, so that a mistyped name does not give an empty workspace.
    """
    root = _selected(folder)
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        raise BadWorkspace(
            f"there is no workspace at {root}; name another one, or create it: `rounds round -w {quote(str(root))}`"
        )
    return at(root)


def current_or_planned(folder: Path | None = None) -> Workspace:
    """The same, also if it does not exist yet, for commands that create it once their input is valid.

    Raises:
        BadWorkspace: the folder is neither empty nor a workspace.
    """
    return planned(_selected(folder))


def current_or_server(folder: Path | None = None) -> Workspace:
    """The same, for commands that only read records: with an MLflow server, which has them, it is created if missing.

    Raises:
        BadWorkspace: it does not exist and `MLFLOW_TRACKING_URI` is not set, or the folder is no workspace.
    """
    return at(_selected(folder)) if os.environ.get("MLFLOW_TRACKING_URI") else current(folder)


def _selected(folder: Path | None) -> Path:
    if folder is not None:
        return folder
    if "ROUNDS_WORKSPACE" in os.environ:
        return Path(os.environ["ROUNDS_WORKSPACE"])
    folder = Path.cwd()
    return folder if (folder / "dvc.yaml").exists() else PROJECT
