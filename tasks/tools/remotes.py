"""DVC's settings: the cache, and the remotes that rounds push to. Nothing here opens DVC's repository or writes.

DVC creates folders when its repository is opened, which a read-only workspace may lack.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from core.errors import BadWorkspace, NotInstalled, Unwritable
from core.files import unwritable
from core.sqlite_errors import disk_problem
from core.urls import without_secrets

NO_GIT = {"core": {"no_scm": True}}
"""With git, DVC rejects a dvc.lock or `.dvc` file that git ignores, and skips ignored folders such as data/."""

LOCKS = {"dvc-s3": "requirements-s3.txt"}
"""Driver of a kind of remote → the lock of the extra that installs it."""

PATIENCE = 10.0
"""Timeout in seconds of the check of the remote when a round opens."""

_MISSING_DRIVER = re.compile(r"requires '([\w-]+)' to be installed")
"""How DVC reports that a kind of remote needs another package."""


class RemoteState(NamedTuple):
    """A configured remote."""

    name: str
    url: str
    """Without its secrets."""
    driver: str | None = None
    """The package that is missing; None if it is installed."""
    problem: str | None = None
    """Why it cannot be used; None if it answers."""


class DvcSettings:
    """DVC's settings in one workspace, read at their first use."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def _config(self) -> Any:
        from dvc.config import Config

        with explaining(self.root):
            return Config(str(self.root / ".dvc"), config=NO_GIT)

    @property
    def site_cache(self) -> Path:
        """The folder of the databases in which DVC remembers digests, of all workspaces of this machine."""
        from dvc.dirs import site_cache_dir

        return Path(site_cache_dir(self._config["core"].get("site_cache_dir")))

    @property
    def cache(self) -> Path:
        """The cache folder. It has the layout of a remote and can be fetched from like one."""
        return Path(self._config["cache"].get("dir") or self.root / ".dvc" / "cache")

    def selected(self, wanted: str | None) -> str | None:
        """The remote that `versioning.remote` selects, configured or not; None if nothing is pushed.

        Args:
            wanted: the knob: a name, None for DVC's default remote, "" for none.
        """
        return (self._config["core"].get("remote") if wanted is None else wanted) or None

    def configured(self, wanted: str | None) -> str | None:
        """The same.

        Raises:
            BadWorkspace: there is no such remote.
        """
        name = self.selected(wanted)
        if name and name not in self._config["remote"]:
            raise BadWorkspace(
                f"versioning.remote: DVC has no remote {name!r}; add it with `dvc remote add {name} URL`"
            )
        return name

    def remote(self, name: str) -> dict[str, str] | None:
        """Settings of a remote; None if there is no such remote."""
        settings = self._config["remote"].get(name)
        return dict(settings) if settings else None

    def address(self, name: str) -> str:
        """URL of a remote without its secrets, for messages; "" if there is no such remote."""
        url = (self.remote(name) or {}).get("url", "")
        parts = urlsplit(url)
        if parts.username is not None:  # with `***` in the place of a secret, the address could not be fetched from
            user = "" if parts.scheme.startswith("http") else f"{parts.username}@"
            url = urlunsplit(parts._replace(netloc=user + parts.netloc.rpartition("@")[2]))
        return without_secrets(url)

    def state(self, name: str, patience: float, pushing: bool) -> RemoteState:
        """Whether a configured remote can be used.

        Args:
            name: its name.
            patience: seconds to wait for an answer.
            pushing: whether a remote in a folder must be writable.
        """
        problem = _within(patience, lambda: _problem(self._config, name, pushing))
        driver = _MISSING_DRIVER.search(problem or "")
        return RemoteState(name, self.address(name), driver and driver[1], problem)

    def check(self, wanted: str | None) -> None:
        """Check that the remote of a round can be pushed to.

        Raises:
            BadWorkspace: it is not configured, cannot be used, or does not answer within `PATIENCE` seconds.
            NotInstalled: it needs a driver, such as that for `s3://`.
        """
        if (name := self.configured(wanted)) and unwritable(self.root / ".dvc" / "tmp") is None:
            _refuse(self.state(name, PATIENCE, pushing=True))  # from a read-only workspace, nothing can be pushed


@contextmanager
def explaining(root: Path) -> Iterator[None]:
    """Run a block that makes DVC read its settings, or create its site cache.

    Raises:
        BadWorkspace: DVC's settings cannot be read.
        Unwritable: the folder of its settings cannot be read, or that of its site cache cannot be written.
    """
    from dvc.config import Config, ConfigError

    try:
        yield
    except ConfigError as error:
        folders = [root / ".dvc", *(Path(Config.get_dir(level)) for level in ("global", "system"))]
        files = [str(file) for folder in folders if (file := folder / "config").exists()]
        raise BadWorkspace(f"DVC cannot read its settings ({error}); correct {' or '.join(files)}") from error
    except OSError as error:
        settings = Path(Config.get_dir("global"))
        if error.filename is not None and Path(error.filename).is_relative_to(settings):
            raise Unwritable(
                f"DVC cannot read its folder of settings ({error}); set DVC_GLOBAL_CONFIG_DIR to another folder"
            ) from error
        if error.filename is not None and Path(error.filename).is_relative_to(root):
            raise  # of the workspace itself
        raise Unwritable(
            f"DVC cannot write its site cache ({error}); set DVC_SITE_CACHE_DIR to a folder that can be written"
        ) from error


@contextmanager
def writing(site_cache: Path) -> Iterator[None]:
    """Run a block in which DVC writes to the databases of its site cache.

    Raises:
        Unwritable: the disk of the site cache is full.
    """
    try:
        yield
    except Exception as error:
        if problem := disk_problem(error, site_cache):
            raise Unwritable(
                f"DVC's databases in {site_cache} cannot be written: {problem.reason}; {problem.cure}"
            ) from error
        raise


def _refuse(state: RemoteState) -> None:
    title = f"versioning.remote: the DVC remote {state.name!r} ({state.url})"
    if state.driver:
        lock = LOCKS.get(state.driver)
        install = f"pip install -r {lock}" if lock else f"pip install {state.driver}"
        raise NotInstalled(
            f"{title} needs the driver {state.driver}, which is not installed; install it with `{install}`"
        )
    if state.problem:
        raise BadWorkspace(
            f"{title} cannot be used: {state.problem}; correct it (`dvc remote modify {state.name} url URL`; "
            "`dvc config --show-origin core.remote` shows where a default is set), name another remote with "
            "-S versioning.remote=NAME, or disable pushing with -S 'versioning.remote=\"\"'"
        )


def _within(seconds: float, check: Callable[[], str | None]) -> str | None:
    """The result of the check, or a message that it timed out."""
    results: list[str | None] = []
    thread = Thread(target=lambda: results.append(check()), daemon=True)
    thread.start()
    thread.join(seconds)
    return results[0] if results else f"no answer within {seconds:.0f} s"


def _problem(config: Any, name: str, pushing: bool) -> str | None:
    """The reason why the remote cannot be used, from DVC's file system; None if it can, or is empty."""
    from dvc.fs import get_cloud_fs

    try:
        kind, settings, path = get_cloud_fs(config, name=name)
        store = kind(**settings)
        if store.protocol == "local":
            return unwritable(Path(path)) if pushing else _no_folder(Path(path))
        store.info(path)
    except FileNotFoundError as error:  # an empty remote; over HTTP also an unreachable one, which has another cause
        answered = error.__cause__ is None or hasattr(error.__cause__, "status")
        return None if answered else str(error.__cause__)
    except Exception as error:  # each file system raises its own errors
        return f"{type(error).__name__}: {error}"
    return None


def _no_folder(path: Path) -> str | None:
    nearest = next(each for each in (path, *path.parents) if each.exists())
    return None if nearest.is_dir() else f"{path} is no folder"
