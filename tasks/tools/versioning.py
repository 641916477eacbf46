"""The data graph in DVC: check whether a step is up to date, record its outputs, fetch and push data."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from core.errors import BadWorkspace, Damaged
from core.files import recover, unwritable, write_text
from core.settings import BaseSettings
from core.yaml_text import parse_yaml
from tasks.state.workspace import Workspace
from tasks.tools import dvc_lock_file, dvc_locks
from tasks.tools.remotes import NO_GIT, DvcSettings, explaining, writing

_UNFINISHED = ".unfinished"

_FETCH_REMOTE = "replay"
"""Name of a temporary remote that is only fetched from."""

Stages = dict[str, dict[str, Any]]
"""dvc.yaml or dvc.lock: stage → its `deps`, `outs` and `params`, in DVC's own format."""


class VersioningSettings(BaseSettings):
    """Where the data of a round is stored."""

    remote: str | None = None
    """Name of the DVC remote to which a round pushes before its candidate is registered. Default: DVC's default
    remote, if one is configured; "" disables pushing."""
    commit: bool = False
    """Commit dvc.lock to git at the end of a round."""
    handover: str | None = Field(None, min_length=1)
    """fsspec URL of a folder or bucket through which steps on other machines (`steps`) get and return files, such as
    `s3://bucket/folder`. What a round leaves there is removed at its end, but for base models."""


class DataGraph:
    """The data graph of one workspace. DVC resolves paths from the current folder, so each call changes to the root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        workspace = Workspace(root)
        self._data = workspace.data
        self._settings = DvcSettings(root)
        self._lock = workspace.recorded

    @cached_property
    def _repo(self) -> Any:
        from dvc.repo import Repo

        # DVC would warn about the frozen stage `ingest` at every status check.
        logging.getLogger("dvc").setLevel(logging.ERROR)
        with explaining(self.root):
            repo = Repo(str(self.root), config=NO_GIT)
            _ = repo.site_cache_dir  # created now: DVC stores its data index there
        return repo

    def repair(self) -> None:
        """Remove what an interrupted write left: drafts, half-written files of DVC, locks of processes that ended.

        Call it only while holding the workspace's lock; otherwise a running round may be writing these files.
        """
        for unfinished in self._data.glob(f".*.dvc{_UNFINISHED}"):
            for folder in (self.root, self._data):
                (folder / unfinished.name[1:].removesuffix(_UNFINISHED)).unlink(missing_ok=True)
            unfinished.unlink()
        if (locks := self.root / ".dvc" / "tmp" / "rwlock").exists():
            dvc_locks.remove_stale(locks)
        self._remove_half_written()
        for path in (self._lock, self._data / "previous.dvc"):
            recover(path)
        self._move_previous()

    def _remove_half_written(self) -> None:
        """Remove the files that DVC was writing to its cache in the workspace when it was killed."""
        cache = self.root / ".dvc" / "cache"
        if half_written := [*cache.glob("files/md5/??/.*.tmp"), *(cache / "runs").rglob(".*.tmp")]:
            from dvc.lock import LockError

            with suppress(LockError), self.exclusive():  # a `dvc` command that runs now may be writing them
                for path in half_written:
                    path.unlink(missing_ok=True)

    def _move_previous(self) -> None:
        """Move previous.dvc to data/; versions up to 0.1.0 wrote it to the root."""
        old, previous = self.root / "previous.dvc", Workspace(self.root).previous
        if old.exists():
            with suppress(
                yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError
            ):  # half written, so nothing is lost
                [out] = yaml.safe_load(old.read_text(encoding="utf-8"))["outs"]
                moved = {"outs": [{**out, "path": previous.name}]}
                write_text(self._dvc_file(Workspace(self.root).name(previous)), yaml.safe_dump(moved))
            old.unlink()

    def _dvc_file(self, path: str) -> Path:
        """The `.dvc` file next to a folder; DVC resolves the names in it relative to its location."""
        return self.root / f"{path}.dvc"

    def done(self, step: str) -> bool:
        """True if the step's recorded inputs and outputs match the files on disk.

        Raises:
            Damaged: dvc.lock is incomplete or invalid.
        """
        self.recorded()  # raises an error with file and cure, which DVC's own lacks
        with self._working(), self._repo.lock:
            self._repo._reset()
            [stage] = self._repo.stage.collect(step)
            # `frozen` stops `dvc repro` from running the step again; here its true status is needed.
            stage.frozen = False
            return not stage.status()

    def record(self, step: str) -> None:
        """Record the step's inputs and outputs in dvc.lock, and copy its cached outputs to the cache."""
        with self._working(), dvc_lock_file.written_fast():
            self._repo.commit(step, force=True)

    def keep(self, path: str) -> str:
        """Cache a folder that is not the output of a step, so that it is pushed too; `<path>.dvc` has its hash.

        Returns:
            The MD5, which ends in `.dir`.
        """
        file = self._dvc_file(path)
        unfinished = self._data / f".{file.name}{_UNFINISHED}"
        write_text(unfinished, "")  # marks the file as half written: DVC writes it in place
        write_text(file, yaml.safe_dump({"outs": [{"path": file.stem}]}))
        with self._working():
            self._repo.commit(str(file.relative_to(self.root)), force=True)
        unfinished.unlink()
        return str(yaml.safe_load(file.read_text(encoding="utf-8"))["outs"][0]["md5"])

    def fetch(self, paths: Mapping[str, str], remotes: Sequence[Mapping[str, str]]) -> None:
        """Fetch recorded data by hash from the first remote that has it, and check it out in this workspace.

        Args:
            paths: path → MD5. Paths that are not outputs in dvc.lock get a `<path>.dvc`.
            remotes: settings of DVC remotes, with at least `url`.

        Raises:
            BadWorkspace: the remotes together do not have all of it; names the missing data.
        """
        from dvc.exceptions import DvcException

        recorded = {out for outs in self.hashes().values() for out in outs}
        for path, md5 in paths.items():
            if path not in recorded:
                entry = {"path": Path(path).name, "hash": "md5", "md5": md5}
                write_text(self._dvc_file(path), yaml.safe_dump({"outs": [entry]}))
        with self._working():
            for remote in remotes:
                repo = self._with_remote(remote)
                with suppress(DvcException):  # data missing from all remotes is reported below
                    repo.fetch(list(paths), remote=_FETCH_REMOTE)
            try:
                self._repo.checkout(list(paths), force=True)
            except DvcException as error:
                searched = ", ".join(remote["url"] for remote in remotes) or "no remote"
                raise BadWorkspace(
                    f"{', '.join(paths)}: not all data could be fetched by hash (searched: {searched}); use --remote "
                    f"to name the DVC remote that the round was pushed to\n{error}"
                ) from error

    def remote_of(self, name: str | None) -> str | None:
        """The remote that `versioning.remote` selects; None if nothing is pushed."""
        return self._settings.selected(name)

    def remote(self, name: str) -> dict[str, str] | None:
        """Settings of a configured DVC remote; None if there is no such remote."""
        return self._settings.remote(name)

    def address(self, name: str) -> str:
        """URL of a remote without its secrets, for messages; "" if there is no such remote."""
        return self._settings.address(name)

    @property
    def cache(self) -> Path:
        """The cache folder. It has the layout of a remote and can be fetched from like one."""
        return self._settings.cache

    def objects(self) -> dict[str, Path]:
        """MD5 → file of everything in the cache (a folder's list of files ends in `.dir`).

        Raises:
            BadWorkspace: the cache is outside the workspace, so other workspaces may use it.
        """
        if not self.cache.resolve().is_relative_to(self.root.resolve()):
            raise BadWorkspace(
                f"the DVC cache {self.cache} is outside the workspace and may be shared with other "
                "workspaces, so nothing was removed; use the workspace's own cache with `dvc config --unset cache.dir`"
            )
        return {file.parent.name + file.name: file for file in self.cache.glob("files/md5/??/*")}

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Run a block of DVC's work from the root.

        Raises:
            Unwritable: the disk of DVC's databases is full.
        """
        with chdir(self.root), writing(self._settings.site_cache):
            yield

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold DVC's own lock of this workspace while the block runs."""
        with chdir(self.root), self._repo.lock:
            yield

    def _with_remote(self, remote: Mapping[str, str]) -> Any:
        from dvc.repo import Repo

        logging.getLogger("dvc").setLevel(logging.CRITICAL)
        return Repo(str(self.root), config={**NO_GIT, "remote": {_FETCH_REMOTE: dict(remote)}})

    def hashes(self) -> dict[str, dict[str, str]]:
        """Step → path → md5 of every recorded output (a folder's ends in `.dir`)."""
        return {
            step: {out["path"]: out["md5"] for out in stage.get("outs", [])} for step, stage in self.recorded().items()
        }

    def recorded(self) -> Stages:
        """The stages of dvc.lock."""
        return stages(self._lock)

    def push(self, remote: str) -> int:
        """Push cached data to the remote; returns the number of files that were new there.

        DVC only warns about files missing from the cache, so these are first cached again from the workspace.

        Raises:
            BadWorkspace: recorded data is missing from both cache and workspace.
        """
        from dvc.exceptions import DvcException

        for stage in dict.fromkeys(stage for stage, _ in self._lost()):
            with suppress(DvcException):  # an output is missing from the workspace too, and is reported below
                self.record(stage)
        if lost := [path for _, path in self._lost()]:
            raise BadWorkspace(
                f"{', '.join(lost)}: missing from both the workspace and the DVC cache {self.cache}, so nothing was "
                "pushed; restore it, or run the round again with `rounds round --reopen`"
            )
        with self._working():
            pushed: int = self._repo.push(remote=remote)
        return pushed

    def _lost(self) -> list[tuple[str, str]]:
        """Stage and path of every recorded output that is missing from the cache, or damaged there."""
        with self._working():
            self._repo._reset()
            outs = [(stage, out) for stage in self._repo.index.stages for out in stage.outs]
            lost = [(stage, out) for stage, out in outs if out.use_cache and out.hash_info and out.changed_cache()]
            return [(stage.addressing, str(out)) for stage, out in lost]

    def check(self, knobs: VersioningSettings) -> None:
        """Check before a round is opened that the remote is usable; this needs .dvc/config only.

        Raises:
            BadWorkspace: it is not, or does not answer within 10 seconds.
            Unwritable: DVC's site cache cannot be written.
            NotInstalled: it needs a driver, such as that for `s3://`.
        """
        if unwritable(self.root / ".dvc" / "tmp") is None:
            _ = self._repo  # creates DVC's site cache, which a round needs
        with chdir(self.root):
            self._settings.check(knobs.remote)


def stages(lock: Path) -> Stages:
    """The stages of a dvc.lock: inputs and outputs of each step. Empty if the file does not exist.

    Raises:
        Damaged: it is incomplete or invalid.
    """
    if not lock.exists():
        return {}
    try:
        recorded: Stages = parse_yaml(lock.read_text(encoding="utf-8"))["stages"]
        return dict(recorded)
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise Damaged(
            f"{lock} is incomplete or invalid ({type(error).__name__}); restore it (the MLflow run of each round has a "
            "copy in the folder `round`), or remove it: every step then runs again"
        ) from error
