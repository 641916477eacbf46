"""Which workspace a command works in, and how a new one is made."""

import os
import shutil
from pathlib import Path
from shlex import quote

from core.errors import BadParams, BadWorkspace
from core.files import write_text
from core.private import make_new_files_private, narrow
from tasks.state import identity, receipts
from tasks.state.workspace import PROJECT, SHIPPED, Workspace


def at(root: Path, name: str | None = None, salt: str | None = None) -> Workspace:
    """The workspace at `root`; created if the folder is missing or empty.

    Args:
        root: its folder.
        name: the name of a new one; None for the folder's.
        salt: the salt of a new one's split; None for a random one.

    Raises:
        BadWorkspace: the folder is neither empty nor a workspace, or it cannot be written.
    """
    workspace = planned(root)
    make_new_files_private(workspace.root)
    try:
        if not workspace.graph.exists():
            _copy_shipped_files(workspace.root)
        receipts.begin(workspace)  # first: with an identity and without receipts, the receipts are lost
        identity.made(workspace, name, salt)
    except OSError as error:
        raise BadWorkspace(f"{workspace.root} cannot be written ({error}); name a folder that can be") from error
    narrow(workspace.root, workspace.private, workspace.cache)
    return workspace


def new(root: Path, name: str | None = None, salt: str | None = None, params: str | None = None) -> Workspace:
    """A new workspace at `root`, see `at`; `params` is the text of its params.yaml, None for the default's.

    Raises:
        BadWorkspace: there is one already, or see `at`.
        BadParams: the name or the salt is empty.
    """
    for option, value in (("--name", name), ("--salt", salt)):
        if value is not None and not value.strip():
            raise BadParams(f"{option} is empty; give a text, or leave the option out")
    if planned(root).graph.exists():
        raise BadWorkspace(
            f"{root} is a workspace already, and its name and salt never change; name a new folder, or run its "
            f"next round with `rounds round -w {quote(str(root))}`"
        )
    workspace = at(root, name, salt)
    if params is not None:
        write_text(workspace.params, params)
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

    Nothing is written, so that a workspace that is read-only can be read.

    Raises:
        BadWorkspace: it does not exist. It is not created, so that a mistyped name does not give an empty workspace.
    """
    root = _selected(folder)
    make_new_files_private(root)
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        raise BadWorkspace(
            f"there is no workspace at {root}; name another one, or create it: `rounds init {quote(str(root))}`"
        )
    return planned(root)


def examined(folder: Path | None = None) -> Workspace:
    """The same for `rounds doctor`, also if files are missing that make it a workspace.

    Raises:
        BadWorkspace: there is nothing of a workspace in the folder.
    """
    workspace = Workspace(_selected(folder).resolve())
    make_new_files_private(workspace.root)
    if not any((workspace.root / name).exists() for name in (*SHIPPED, "data")):
        return current(folder)
    return workspace


def current_or_planned(folder: Path | None = None) -> Workspace:
    """The same, also if it does not exist yet, for commands that create it once their input is valid.

    Raises:
        BadWorkspace: the folder is neither empty nor a workspace.
    """
    root = _selected(folder)
    make_new_files_private(root)
    return planned(root)


def current_or_server(folder: Path | None = None) -> Workspace:
    """The same, for commands that only read records: with an MLflow server, which has them, it need not exist.

    Raises:
        BadWorkspace: it does not exist and `MLFLOW_TRACKING_URI` is not set, or the folder is no workspace.
    """
    return current_or_planned(folder) if os.environ.get("MLFLOW_TRACKING_URI") else current(folder)


def _selected(folder: Path | None) -> Path:
    if folder is not None:
        return folder
    if "ROUNDS_WORKSPACE" in os.environ:
        return Path(os.environ["ROUNDS_WORKSPACE"])
    folder = Path.cwd()
    return folder if (folder / "dvc.yaml").exists() else PROJECT
