"""The only door to DVC: is a step done, record what it wrote, which bytes were they."""

import json
import logging
import math
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psutil
import yaml

from core.errors import BadWorkspace, Damaged, RoundBusy, Unwritable
from core.files import recover, unwritable, write_text
from core.knobs import BaseSettings
from tasks.state.lock import holding
from tasks.state.workspace import Workspace

_UNFINISHED = ".unfinished"

_PLACE = "replay"
"""What a remote is called that is only fetched from."""

PATIENCE = 10.0
"""Seconds in which a remote has to answer when a round opens."""

_ALONE = {"core": {"no_scm": True}}
"""DVC refuses a dvc.lock or `.dvc` file that git ignores, and skips folders that git ignores; data/ is one."""


Stages = dict[str, dict[str, Any]]
"""dvc.yaml or dvc.lock: stage → what DVC says of it (`deps`, `outs`, `params`), in DVC's own form."""


class VersioningSettings(BaseSettings):
    """Which bytes of data are kept where."""

    remote: str | None = None
    """Name of a DVC remote; a round pushes to it before its candidate is registered. By default DVC's own default
    remote, where one is configured; "" pushes nowhere."""
    commit: bool = False
    """Commit dvc.lock to git at the end of a round."""


class DataGraph:
    """The data graph of one workspace. DVC takes names relative to the current folder: it is entered for each call."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._place = Workspace(root)
        self._lock, self._before = self._place.recorded, self._place.recorded_before

    @cached_property
    def _repo(self) -> Any:
        from dvc.repo import Repo

        # The frozen stage `ingest` is asked about on purpose; DVC would warn about it at every question.
        logging.getLogger("dvc").setLevel(logging.ERROR)
        try:
            repo = Repo(str(self.root), config=_ALONE)
            _ = repo.site_cache_dir  # made now: DVC keeps its index of the data there
        except OSError as error:
            raise Unwritable(
                f"DVC cannot write its site cache ({error}); set DVC_SITE_CACHE_DIR to a folder that can be written"
            ) from error
        return repo

    def mend(self) -> None:
        """Bring back dvc.lock as it was before a record that never ended; drop a `.dvc` file that is half written.

        For who holds the workspace's lock: what is half written may be in the hands of a round that runs.
        """
        if self._before.exists():
            if before := self._before.read_text(encoding="utf-8"):
                write_text(self._lock, before)
            else:
                self._lock.unlink(missing_ok=True)
            self._before.unlink()
        for unfinished in (self.root / "data").glob(f".*.dvc{_UNFINISHED}"):
            for folder in (self.root, self.root / "data"):
                (folder / unfinished.name[1:].removesuffix(_UNFINISHED)).unlink(missing_ok=True)
            unfinished.unlink()
        if (locks := self.root / ".dvc" / "tmp" / "rwlock").exists():
            _free(locks)
        for written in (self._lock, self._before, self.root / "data" / "previous.dvc"):
            recover(written)
        self._move_previous()

    def _move_previous(self) -> None:
        """Move previous.dvc into data/, where versions up to 0.1.0 wrote it to the root."""
        old = self.root / "previous.dvc"
        if old.exists():
            with suppress(yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError):  # half written: no loss
                [out] = yaml.safe_load(old.read_text(encoding="utf-8"))["outs"]
                write_text(self._beside("data/previous"), yaml.safe_dump({"outs": [{**out, "path": "previous"}]}))
            old.unlink()

    def _beside(self, path: str) -> Path:
        """The `.dvc` file of a folder, beside it: DVC reads the names in it from there."""
        return self.root / f"{path}.dvc"

    def done(self, step: str) -> bool:
        """True where the step's recorded inputs and outputs are those on disk now.

        Raises:
            Damaged: dvc.lock is not whole.
        """
        self.recorded()  # DVC's own error names neither file nor cure
        with chdir(self.root), self._repo.lock:
            self._repo._reset()
            [stage] = self._repo.stage.collect(step)
            # `frozen` keeps `dvc repro` from asking the outer world again; a round does want to know.
            stage.frozen = False
            return not stage.status()

    def record(self, step: str) -> None:
        """Write the step's inputs and outputs to dvc.lock, and its cached outputs to the cache."""
        with chdir(self.root), self._lock_kept():
            self._repo.commit(step, force=True)

    def keep(self, path: str) -> str:
        """Cache a folder that no step writes, so that it is pushed with the rest; `<path>.dvc` names its hash.

        Returns:
            the MD5, which ends in `.dir`.
        """
        file = self._beside(path)
        unfinished = self.root / "data" / f".{file.name}{_UNFINISHED}"
        write_text(unfinished, "")  # DVC writes the file in place: a kill in the middle leaves half of it
        write_text(file, yaml.safe_dump({"outs": [{"path": file.stem}]}))
        with chdir(self.root):
            self._repo.commit(str(file.relative_to(self.root)), force=True)
        unfinished.unlink()
        return str(yaml.safe_load(file.read_text(encoding="utf-8"))["outs"][0]["md5"])

    def bring(self, paths: Mapping[str, str], places: Sequence[Mapping[str, str]]) -> None:
        """Fetch recorded data by hash from the first place that has it, into this workspace.

        Args:
            paths: path → MD5. Those that dvc.lock does not record as outputs get a `<path>.dvc`.
            places: settings of DVC remotes; `url` is what counts.

        Raises:
            BadWorkspace: no place has all of it; names what is missing.
        """
        from dvc.exceptions import DvcException

        recorded = {out for outs in self.hashes().values() for out in outs}
        for path, md5 in paths.items():
            if path not in recorded:
                entry = {"path": Path(path).name, "hash": "md5", "md5": md5}
                write_text(self._beside(path), yaml.safe_dump({"outs": [entry]}))
        with chdir(self.root):
            for place in places:
                repo = self._at(place)
                with suppress(DvcException):  # what is missing everywhere is named below
                    repo.fetch(list(paths), remote=_PLACE)
            try:
                self._repo.checkout(list(paths), force=True)
            except DvcException as error:
                looked = ", ".join(place["url"] for place in places) or "nowhere"
                raise BadWorkspace(
                    f"not all of {', '.join(paths)} could be fetched by hash (looked in {looked}); name the DVC "
                    f"remote that the round was pushed to with --remote\n{error}"
                ) from error

    def remote_of(self, name: str | None) -> str | None:
        """The remote that `versioning.remote` means; None where nothing is pushed."""
        return (self._repo.config["core"].get("remote") if name is None else name) or None

    def remote(self, name: str) -> dict[str, str] | None:
        """Settings of a configured DVC remote, None where there is none of that name."""
        found = self._repo.config["remote"].get(name)
        return dict(found) if found else None

    def address(self, name: str) -> str:
        """Where a remote is, for others to read: without a password; "" where there is none of that name."""
        url = (self.remote(name) or {}).get("url", "")
        parts = urlsplit(url)
        if parts.password is None:
            return url
        return urlunsplit(parts._replace(netloc=f"{parts.username}@{parts.netloc.rpartition('@')[2]}"))

    @property
    def cache(self) -> Path:
        """The folder of the cache. It is laid out like a remote, and can be fetched from like one."""
        return Path(self._repo.cache.local_cache_dir)

    def objects(self) -> dict[str, Path]:
        """MD5 → file of everything in the cache (a folder's list of files ends in `.dir`).

        Raises:
            BadWorkspace: the cache lies outside of the workspace, so others may need what is in it.
        """
        if not self.cache.resolve().is_relative_to(self.root.resolve()):
            raise BadWorkspace(
                f"the DVC cache {self.cache} is shared with other workspaces; nothing is removed from it"
            )
        return {file.parent.name + file.name: file for file in self.cache.glob("files/md5/??/*")}

    @contextmanager
    def still(self) -> Iterator[None]:
        """Keep every other use of DVC in this workspace out for as long as the block runs."""
        with chdir(self.root), self._repo.lock:
            yield

    def _at(self, place: Mapping[str, str]) -> Any:
        from dvc.repo import Repo

        logging.getLogger("dvc").setLevel(logging.CRITICAL)
        return Repo(str(self.root), config={**_ALONE, "remote": {_PLACE: dict(place)}})

    def hashes(self) -> dict[str, dict[str, str]]:
        """Step → path → md5 of every recorded output (a folder's ends in `.dir`)."""
        return {
            step: {out["path"]: out["md5"] for out in stage.get("outs", [])} for step, stage in self.recorded().items()
        }

    def recorded(self) -> Stages:
        """The stages of dvc.lock as they stand."""
        return stages(self._lock)

    def push(self, remote: str) -> int:
        """Copy what is cached to the remote; returns the number of files that were new there.

        DVC only warns of what the cache has lost. It is put back first, from the workspace.

        Raises:
            BadWorkspace: it is not in the workspace either.
        """
        for stage in dict.fromkeys(stage for stage, _ in self._lost()):
            self.record(stage)
        if lost := [path for _, path in self._lost()]:
            raise BadWorkspace(
                f"{', '.join(lost)}: neither in the workspace nor in the DVC cache {self.cache}, so not pushed; "
                "restore it, or run the round again with `rounds round --reopen`"
            )
        with chdir(self.root):
            pushed: int = self._repo.push(remote=remote)
        return pushed

    def _lost(self) -> list[tuple[str, str]]:
        """Stage and path of every recorded output that should be in the cache and is not, whole."""
        with chdir(self.root):
            self._repo._reset()
            outs = [(stage, out) for stage in self._repo.index.stages for out in stage.outs]
            lost = [(stage, out) for stage, out in outs if out.use_cache and out.hash_info and out.changed_cache()]
            return [(stage.addressing, str(out)) for stage, out in lost]

    def commit(self, message: str) -> None:
        """Commit dvc.lock to the git repository of the workspace, where it changed.

        Raises:
            BadWorkspace: git refuses; with its own words.
        """
        self._git("add", "dvc.lock")
        if self._git("status", "--porcelain", "--", "dvc.lock"):
            self._git("commit", "--quiet", "--message", message, "--", "dvc.lock")

    def check(self, knobs: VersioningSettings) -> None:
        """Find out before a round is opened whether remote and git are there.

        Raises:
            BadWorkspace: they are not, or do not answer within `PATIENCE` seconds.
        """
        remote = self.remote_of(knobs.remote)
        if remote and remote not in self._repo.config["remote"]:
            raise BadWorkspace(
                f"versioning.remote: DVC knows no remote {remote!r}; `dvc remote add {remote} URL` makes it"
            )
        if remote:
            self._check_remote(remote)
        if knobs.commit:
            if not (self.root / ".git").exists():
                raise BadWorkspace(f"versioning.commit: {self.root} is no git repository; `git init` makes it one")
            if self._ignored("dvc.lock"):
                raise BadWorkspace(
                    f"versioning.commit: git ignores dvc.lock in {self.root}; take it out of .gitignore (the project's "
                    "own checkout ignores it: use a workspace in a repository of its own)"
                )
            self._git("var", "GIT_COMMITTER_IDENT")  # fails where git does not know whose commit it would be

    def _check_remote(self, remote: str) -> None:
        with chdir(self.root):
            problem = _within(PATIENCE, lambda: self._problem_with(remote))
        if problem:
            raise BadWorkspace(
                f"versioning.remote: the DVC remote {remote!r} ({self.address(remote)}) cannot be used: {problem}; "
                f"mend it (`dvc remote modify {remote} url URL`; `dvc config --show-origin core.remote` says where a "
                "default is set), name another one with -S versioning.remote=NAME, or push nowhere with "
                "-S 'versioning.remote=\"\"'"
            )

    def _problem_with(self, remote: str) -> str | None:
        """Why nothing could be pushed there, as DVC's own file system says it; None where it answers."""
        try:
            store = self._repo.cloud.get_remote_odb(remote)
            if store.fs.protocol == "local":
                return unwritable(Path(store.path))
            store.fs.info(store.path)
        except FileNotFoundError as error:  # an empty remote; over HTTP also what has no answer, told by its cause
            answered = error.__cause__ is None or hasattr(error.__cause__, "status")
            return None if answered else str(error.__cause__)
        except Exception as error:  # each file system has errors of its own
            return f"{type(error).__name__}: {error}"
        return None

    def _ignored(self, path: str) -> bool:
        done = subprocess.run(["git", "check-ignore", "--quiet", path], cwd=self.root, check=False)
        return done.returncode == 0

    def _git(self, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=self.root, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BadWorkspace(f"versioning.commit: `git {' '.join(words)}` in {self.root}: {done.stderr.strip()}")
        return done.stdout

    @contextmanager
    def _lock_kept(self) -> Iterator[None]:
        """Keep a copy of dvc.lock while DVC writes it in place: a kill in the middle leaves half a file."""
        write_text(self._before, self._lock.read_text(encoding="utf-8") if self._lock.exists() else "")
        yield
        self._before.unlink()


def _within(seconds: float, ask: Callable[[], str | None]) -> str | None:
    """The answer, or that there was none in time."""
    answers: list[str | None] = []
    asking = Thread(target=lambda: answers.append(ask()), daemon=True)
    asking.start()
    asking.join(seconds)
    return answers[0] if answers else f"no answer within {seconds:.0f} s"


def _free(locks: Path) -> None:
    """Remove DVC's list of who reads and writes what, where a kill left it: half written, or with nobody alive in it.

    DVC itself frees what a dead process holds, but it takes any process with the same number for the holder (after a
    reboot, or in a container, there soon is one), and stops at half a file. Nobody who began after the list was
    written last is in it.
    """
    # under DVC's own lock for the list: it may be about to write it
    with suppress(RoundBusy), holding(locks.with_name("rwlock.lock"), "a look at DVC's locks"):
        if locks.exists() and not any(_since(pid) <= locks.stat().st_mtime for pid in _holders(locks)):
            locks.unlink()


def _holders(locks: Path) -> set[int]:
    """The processes that the list names; nobody where it is half written."""
    try:
        named = json.loads(locks.read_text(encoding="utf-8"))
    except ValueError:
        return set()
    readers = [reader for paths in named.get("read", {}).values() for reader in paths]
    return {holder["pid"] for holder in [*named.get("write", {}).values(), *readers]}


def _since(pid: int) -> float:
    """When a process began, in seconds since 1970; never, where there is none."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return math.inf


def stages(lock: Path) -> Stages:
    """The stages of a dvc.lock: what each step read and wrote. No file, no stages.

    Raises:
        Damaged: it is not whole.
    """
    if not lock.exists():
        return {}
    try:
        found: Stages = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"]
        return dict(found)
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise Damaged(
            f"{lock} is not whole ({type(error).__name__}); bring it back (the run of each round in MLflow keeps it, "
            "folder `round`), or remove it: every step then runs once more"
        ) from error
