"""The DVC remote that rounds push to, looked at without writing: DVC itself creates folders when it is opened."""

import re
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from core import urls
from core.errors import BadWorkspace

_DRIVER = re.compile(r"requires '([\w-]+)' to be installed")


class RemoteState(NamedTuple):
    """A configured remote."""

    name: str
    url: str
    """Without user and password."""
    driver: str | None = None
    """The package that is missing; None if it is installed."""
    problem: str | None = None
    """Why it cannot be used; None if it answers."""


def state(root: Path, wanted: str | None, patience: float) -> RemoteState | None:
    """The remote that a round would push to; None if it pushes nothing.

    Args:
        root: the workspace.
        wanted: `versioning.remote`: a name, None for DVC's default remote, "" for none.
        patience: seconds to wait for an answer.

    Raises:
        BadWorkspace: DVC's settings cannot be read, or there is no such remote.
    """
    config = _config(root)
    name = (config["core"].get("remote") if wanted is None else wanted) or None
    if name is None:
        return None
    if name not in config["remote"]:
        raise BadWorkspace(f"versioning.remote: DVC has no remote {name!r}; add it with `dvc remote add {name} URL`")
    url = urls.without_user(str(config["remote"][name]["url"]))
    problems: list[str | None] = []
    thread = Thread(target=lambda: problems.append(_problem(config, name)), daemon=True)
    thread.start()
    thread.join(patience)
    problem = problems[0] if problems else f"no answer within {patience:.0f} s"
    driver = _DRIVER.search(problem or "")
    return RemoteState(name, url, driver and driver[1], problem)


def cache(root: Path) -> Path:
    """The folder of the DVC cache.

    Raises:
        BadWorkspace: DVC's settings cannot be read.
    """
    return Path(_config(root)["cache"].get("dir") or root / ".dvc/cache")


def _config(root: Path) -> Any:
    from dvc.config import Config, ConfigError

    try:
        return Config(str(root / ".dvc"))
    except (ConfigError, OSError) as error:
        raise BadWorkspace(
            f"DVC cannot read its settings ({error}); correct or remove {root / '.dvc/config'}"
        ) from error


def _problem(config: Any, name: str) -> str | None:
    """The reason why the remote cannot be read, from DVC's file system; None if it can, or is empty."""
    from dvc.fs import get_cloud_fs

    try:
        kind, settings, path = get_cloud_fs(config, name=name)
        store = kind(**settings)
        if store.protocol == "local":
            return None if _nearest(Path(path)).is_dir() else f"{path} is no folder"
        store.info(path)
    except FileNotFoundError:
        return None  # nothing was pushed yet
    except Exception as error:  # each file system raises its own errors
        return f"{type(error).__name__}: {error}"
    return None


def _nearest(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())
