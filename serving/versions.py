"""The versions that answer: a thread follows the alias `champion`, loads what it names, and frees what nobody uses.

A new version is loaded and checked while the old one still answers. A request keeps the version with which it began,
by a lease. If the registry does not answer, or the new version cannot be loaded, the last one goes on.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

from core.errors import NotFound, RoundsError
from models.concurrent import Capacity
from models.hosting import HostedPolicy, ModelHost
from models.policy import ModelSettings
from serving.settings import ServingSettings
from tasks.registry import absent
from tasks.registry.alias import Registry
from tasks.registry.versions import CHAMPION, ModelVersion
from tasks.rounds import version_files
from tasks.state import bases
from tasks.state.workspace import Workspace
from tasks.tools import tracking

RETRY = 30.0
"""Seconds until a version that could not be loaded is tried again."""

Result = TypeVar("Result")

_NUMBER = re.compile("[1-9][0-9]{0,8}")

_logger = logging.getLogger(__name__)


class TooManyVersions(RoundsError):
    """A version is asked for, and as many as may be are in memory."""


@dataclass(eq=False)
class ServedVersion:
    """A version in memory."""

    version: str
    digest: str
    """SHA-256 of its files, which were compared with it."""
    limits: ModelSettings
    """Of the round that made it."""
    hosted: HostedPolicy
    users: int = 0
    """Requests that it answers now."""
    used: float = field(default_factory=time.monotonic)
    """When the last one ended."""

    @property
    def name(self) -> str:
        """How answers name it."""
        return f"policy/{self.version}"

    @property
    def fingerprint(self) -> str:
        """Version and bytes, for the field `system_fingerprint`."""
        return f"policy-{self.version}-{self.digest[:12]}"


class FollowerState(NamedTuple):
    """What is known of the versions now."""

    champion: str | None
    """The version that answers; None before the first is loaded."""
    loaded: tuple[str, ...]
    problem: str | None
    """Why another version than the alias names answers, or none; None if all is well."""


class Follower:
    """The versions of a workspace's policy. `start` begins to follow the alias; methods may be called by any thread."""

    def __init__(self, workspace: Workspace, settings: ServingSettings) -> None:
        def base_folder(digest: str) -> Path:
            return bases.folder(workspace, digest)

        self._workspace, self._settings = workspace, settings
        self._host = ModelHost(base_folder, Capacity(settings.rows, settings.waiting))
        self._registry = Registry(workspace.root)
        self._lock = threading.Lock()
        self._loaded: dict[str, ServedVersion] = {}
        self._champion: str | None = None
        self._problem: str | None = "the champion is not loaded yet"
        self._failed: dict[str, float] = {}
        self._calls: list[Callable[[], None]] = []
        self._wake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    @property
    def state(self) -> FollowerState:
        """What is known now."""
        with self._lock:
            return FollowerState(self._champion, tuple(self._loaded), self._problem)

    @property
    def waiting(self) -> int:
        """Answers that wait for a model."""
        return sum(decoder.waiting for decoder in self._host.decoders)

    @property
    def active(self) -> int:
        """Answers that are being written."""
        return sum(decoder.active for decoder in self._host.decoders)

    def start(self) -> None:
        """Begin to follow the alias."""
        self._thread.start()

    def close(self) -> None:
        """End the thread, and free all versions."""
        with self._lock:
            self._closed = True
        self._wake.set()
        self._thread.join()
        self._host.close()

    @contextmanager
    def lease(self, name: str) -> Iterator[ServedVersion]:
        """The version that answers to a name, which stays in memory while the block runs; loaded first if need be.

        Args:
            name: `champion`, a number, or `policy/NUMBER`.

        Raises:
            NotFound: there is no champion yet, or no such version.
            TooManyVersions: as many versions as may be are in memory, and all are in use.
            RoundsError: the version cannot be loaded, or the registry does not answer.
        """
        served = self._leased(name)
        try:
            yield served
        finally:
            with self._lock:
                served.users -= 1
                served.used = time.monotonic()

    def listed(self) -> list[ModelVersion]:
        """All versions that rounds registered, newest first.

        Raises:
            RoundsError: the registry does not answer.
        """
        return self._call(lambda: self._registry.versions("policy"))

    def refused(self, number: str) -> str | None:
        """Why only an operator may ask a version: its gates rejected it, or it was rolled back; None if all may.

        Raises:
            NotFound: there is no such version.
            RoundsError: the registry does not answer.
        """
        return self._call(lambda: self._refused(number))

    def number(self, name: str) -> str:
        """The number of the version that a name means now.

        Raises:
            NotFound: there is no champion yet, or no version can have this name.
        """
        if name != CHAMPION:
            number = self._registry.line.unprefixed(name).removeprefix("policy/")
            if not _NUMBER.fullmatch(number):
                raise NotFound(f"there is no version {name!r}; use `{CHAMPION}`, a number, or `policy/NUMBER`")
            return number
        with self._lock:
            if self._champion is None:
                raise NotFound(f"no version answers yet: {self._problem}; wait, or see /health/ready")
            return self._champion

    def _leased(self, name: str) -> ServedVersion:
        number = self.number(name)
        with self._lock:
            if number in self._loaded:
                return self._used(number)
        self._call(lambda: self._load_named(number))
        with self._lock:
            return self._used(number)

    def _used(self, number: str) -> ServedVersion:
        served = self._loaded[number]
        served.users += 1
        return served

    def _call(self, work: Callable[[], Result]) -> Result:
        """Run a function in the thread, which alone uses the registry."""
        future: Future[Result] = Future()

        def run() -> None:
            try:
                with tracking.answering(self._workspace.root):
                    future.set_result(work())
            except BaseException as error:
                future.set_exception(error)

        with self._lock:
            if self._closed:
                raise RuntimeError("the server is stopping")
            self._calls.append(run)
        self._wake.set()
        return future.result()

    def _run(self) -> None:
        seen = 0.0
        while not self._closed:
            with self._lock:
                calls, self._calls = self._calls, []
            for call in calls:
                call()
            if time.monotonic() - seen >= self._settings.poll:
                self._look()
                self._free()
                seen = time.monotonic()
            self._wake.wait(max(self._settings.poll - (time.monotonic() - seen), 0.0))
            self._wake.clear()
        for call in self._calls:
            call()

    def _look(self) -> None:
        """Ask which version is champion, and take it over; whatever goes wrong, the last version goes on."""
        try:
            with tracking.answering(self._workspace.root):
                problem = self._follow()
        except Exception as error:
            if not isinstance(error, RoundsError):
                _logger.exception("the champion could not be looked up")
            problem = str(error) or type(error).__name__
        with self._lock:
            new, self._problem = problem != self._problem, problem
        if new and problem:
            _logger.warning("version %s answers: %s", self._champion or "none", problem)

    def _follow(self) -> str | None:
        """Make the champion the version that answers; returns why it cannot be."""
        champion = self._registry.champion()
        if champion is None:
            reason = absent.why(self._registry)
            return reason
        number = champion.version
        if number != self._champion and number not in self._loaded:
            if time.monotonic() < self._failed.get(number, 0.0):
                return self._problem
            try:
                self._load(champion)
            except Exception:
                self._failed[number] = time.monotonic() + RETRY
                raise
        with self._lock:
            if number != self._champion:
                _logger.info("version %s answers", number)
            self._champion = number
        return None

    def _load_named(self, number: str) -> None:
        """Load a version that a request names, if there is room or one can be freed."""
        if number in self._loaded:
            return
        version = self._registry.version(number)
        if len(self._loaded) >= self._settings.versions:
            self._free(at_once=True)
        if len(self._loaded) >= self._settings.versions:
            raise TooManyVersions(
                f"{len(self._loaded)} versions are in memory and in use, and no more may be; try again later, or raise "
                "`versions` in serving.yaml"
            )
        self._load(version)

    def _load(self, version: ModelVersion) -> None:
        registry = Registry(self._workspace.root)  # a new one: it reads the copy of the audit log once
        limits = version_files.limits(self._workspace, version)
        with version_files.fetched(self._workspace, registry, version) as folder:  # compares the digest
            hosted = self._host.load(folder, limits.compute)
        served = ServedVersion(version.version, registry.trust.known(version).digest, limits, hosted)
        with self._lock:
            self._loaded[version.version] = served

    def _free(self, at_once: bool = False) -> None:
        """Free the versions that nobody uses, and that are not the champion; `at_once` also those used a moment ago."""
        idle = 0.0 if at_once else self._settings.idle
        with self._lock:
            unused = [
                served
                for number, served in self._loaded.items()
                if number != self._champion and not served.users and time.monotonic() - served.used >= idle
            ]
            for served in unused:
                del self._loaded[served.version]
        for served in unused:
            self._host.unload(served.hosted)

    def _refused(self, number: str) -> str | None:
        version = self._registry.version(number)
        if self._registry.rejected(version):
            return f"version {number} was rejected by its gates"
        reason = self._registry.rolled_back(version)
        return None if reason is None else f"version {number} was rolled back"
