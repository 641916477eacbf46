"""The versions that answer: a thread follows the alias `champion`, another one loads what it names and what is asked.

A new version is loaded and checked while the old one still answers. A request keeps the version with which it began,
by a lease. If the registry does not answer, or the new version cannot be loaded, the last one goes on.
"""

import asyncio
import logging
import math
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from core.errors import NotFound, RoundsError
from models.compute import Compute
from models.concurrent import Capacity, ConcurrentDecoder, QueueFull
from models.hosting import HostedPolicy, ModelHost
from models.upstream import Upstream, UpstreamModel
from models.upstream_settings import NoUpstream
from serving import relaying
from serving.loaded import AnswerWriter, FollowerState, Lease, LoadedVersions, ServedVersion
from serving.settings import ServingSettings
from tasks.registry import absent
from tasks.registry.alias import Registry
from tasks.registry.versions import CHAMPION, ModelVersion
from tasks.rounds import version_files
from tasks.state import bases
from tasks.state.line import POLICY
from tasks.state.workspace import Workspace
from tasks.tools import tracking

RETRY = 30.0
"""Seconds until a champion that could not be loaded is tried again."""

ANSWERED = 10.0
"""Seconds within which the registry answers a request, or is given up."""

NO_REGISTRY = (
    f"MLflow's registry has not answered for {ANSWERED:.0f} s; ask the champion, which is in memory, or try again when "
    "its server (MLFLOW_TRACKING_URI) answers"
)

Result = TypeVar("Result")

_NUMBER = re.compile("[1-9][0-9]{0,8}")

_logger = logging.getLogger(__name__)


async def in_time(future: "Future[Result]") -> Result:
    """What the registry answers.

    Raises:
        TimeoutError: it has not answered within `ANSWERED` seconds.
        Exception: what the future fails with.
    """
    return await asyncio.wait_for(asyncio.wrap_future(future), ANSWERED)


class TooManyVersions(RoundsError):
    """A version is asked for, and as many as may be are in memory."""


class FailedLoad(NamedTuple):
    """A version could not be loaded."""

    until: float
    """When the follower tries again."""
    reason: str


class Follower:
    """The versions of a workspace's policy. `start` begins to follow the alias. Any thread may call the methods.

    None of them waits for the registry or for a model, except for `close`: what takes time is a future.
    """

    def __init__(
        self, workspace: Workspace, settings: ServingSettings, end: Callable[[str], None] = _logger.error
    ) -> None:
        """Nothing is loaded before `start`.

        Args:
            workspace: has the registry and the bases.
            settings: how much may be in memory, and how often the alias is looked at.
            end: called once with the reason if the model of the champion fails for good, so that only a new process
                can help.
        """

        def base_folder(digest: str) -> Path:
            return bases.folder(workspace, digest)

        self._workspace, self._settings, self._end = workspace, settings, end
        capacity = Capacity(settings.rows, settings.waiting)
        self._host = ModelHost(base_folder, capacity)
        self._upstream = Upstream(settings.upstream, capacity, settings.poll) if settings.upstream else None
        self._registry = Registry(workspace.root)
        self._line = POLICY
        self._has_champion: bool | None = None
        self._versions = LoadedVersions(settings.waiting)
        self._failed: dict[str, FailedLoad] = {}
        self._lock = threading.Lock()
        self._calls: list[Callable[[], None]] = []
        self._wake = threading.Event()
        self._closed = False
        self._handed: Future[None] | None = None
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self._loader = ThreadPoolExecutor(1, "loader")

    @property
    def state(self) -> FollowerState:
        """What is known now."""
        return self._versions.state

    @property
    def has_champion(self) -> bool | None:
        """Whether the alias named a version when the registry last answered; None before it has answered."""
        return self._has_champion

    @property
    def waiting(self) -> int:
        """Answers that wait for a model, and requests that wait for a version to be loaded."""
        return self._versions.waiting + sum(each.waiting for each in self._asked_of())

    @property
    def active(self) -> int:
        """Answers that are being written."""
        return sum(each.active for each in self._asked_of())

    @property
    def model_problem(self) -> str | None:
        """Why the model of the champion cannot be asked now; None if it can, or there is none."""
        champion = self._versions.champion
        return champion.writer.problem if champion else None

    def start(self) -> None:
        """Begin to follow the alias."""
        if self._upstream:
            self._upstream.start()
        self._thread.start()

    def close(self) -> None:
        """End the threads, after the load that runs, and free all versions."""
        with self._lock:
            self._closed = True
        self._wake.set()
        self._thread.join()
        self._loader.shutdown(cancel_futures=True)
        self._versions.fail_all(RuntimeError("the server is stopping"))
        self._host.close()
        if self._upstream:
            self._upstream.close()

    def lease(self, name: str) -> Lease:
        """The version that answers to a name, which stays in memory until the lease is closed; loaded first if need be.

        The future of the lease fails with TooManyVersions if as many versions as may be are in memory and in use, with
        NotFound if there is no such version, and with another RoundsError if it cannot be loaded.

        Args:
            name: `champion`, a number, or `policy/NUMBER`.

        Raises:
            NotFound: there is no champion yet, or no version can have this name.
            QueueFull: as many requests as may wait for versions.
        """
        number = None if name == CHAMPION else self._number(name)
        lease = self._versions.lease(number)
        if number is not None and not lease.future.done():
            self._later(partial(self._load_named, number))
        return lease

    def is_loaded(self, name: str) -> bool:
        """Whether the version of this name is in memory, so that nothing has to be asked of the registry."""
        return name == CHAMPION or self._line.unprefixed(name).removeprefix("policy/") in self.state.loaded

    def listed(self) -> "Future[list[ModelVersion]]":
        """All versions that rounds registered, newest first; the future fails if the registry does not answer.

        Raises:
            QueueFull: too many ask the registry.
        """
        return self._asked(lambda: self._registry.versions("policy"))

    def refused(self, name: str) -> "Future[str | None]":
        """Why only an operator may ask a version: its gates rejected it, or it was rolled back; None if all may.

        All may ask the champion. The future fails with NotFound if there is no such version, and with another
        RoundsError if the registry does not answer.

        Raises:
            NotFound: no version can have this name.
            QueueFull: too many ask the registry.
        """
        number = None if name == CHAMPION else self._number(name)
        if number is None or number == self.state.champion:
            allowed: Future[str | None] = Future()
            allowed.set_result(None)
            return allowed
        return self._asked(lambda: self._refused(number))

    def _number(self, name: str) -> str:
        number = self._line.unprefixed(name).removeprefix("policy/")
        if not _NUMBER.fullmatch(number):
            raise NotFound(f"there is no version {name!r}; use `{CHAMPION}`, a number, or `policy/NUMBER`")
        return number

    def _asked(self, work: Callable[[], Result]) -> "Future[Result]":
        """Run a function in the thread of the registry."""
        future: Future[Result] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                with tracking.answering(self._workspace.root):
                    result = work()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        if len(self._calls) >= self._settings.waiting:
            raise QueueFull(f"{len(self._calls)} requests wait for the registry; try again later")
        self._later(run)
        return future

    def _later(self, call: Callable[[], None]) -> None:
        """Call a function in the thread of the registry, which it alone uses."""
        with self._lock:
            if self._closed:
                raise RuntimeError("the server is stopping")
            self._calls.append(call)
        self._wake.set()

    def _run(self) -> None:
        looked, told = -math.inf, False
        while not self._closed:
            self._call_all()
            champion = self._versions.champion
            if champion and champion.writer.ended and not told:
                told = True
                self._end(str(champion.writer.problem))
            if time.monotonic() - looked >= self._settings.poll:
                self._look()
                self._hand_over_again(champion)
                self._free(self._settings.idle)
                looked = time.monotonic()
            self._wake.wait(max(self._settings.poll - (time.monotonic() - looked), 0.0))
            self._wake.clear()
        self._call_all()

    def _call_all(self) -> None:
        with self._lock:
            calls, self._calls = self._calls, []
        for call in calls:
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
        if problem and self._versions.note(problem):
            _logger.warning("version %s answers: %s", self.state.champion or "none", problem)

    def _follow(self) -> str | None:
        """Make the champion the version that answers, or have it loaded; returns why it does not answer."""
        champion = self._registry.champion()
        self._has_champion = champion is not None
        self._line = self._registry.line
        if champion is None:
            reason = absent.why(self._registry)
            return reason
        number, before = champion.version, self.state.champion
        if self._versions.take_over(number):
            if number != before:
                _logger.info("version %s answers", number)
            return None
        failed = self._failed.get(number)
        if failed and time.monotonic() < failed.until:
            return failed.reason
        self._begin(champion)
        return f"version {number} is being loaded"

    def _load_named(self, number: str) -> None:
        """Have a version loaded that requests await, if there is room or one can be freed."""
        if not self._versions.needs_load(number):
            return
        try:
            with tracking.answering(self._workspace.root):
                version = self._registry.version(number)
            self._make_room()
        except BaseException as error:
            self._versions.fail(number, error)
        else:
            self._begin(version)

    def _make_room(self) -> None:
        if self._versions.count >= self._settings.versions:
            self._free(0.0)
        if self._versions.count >= self._settings.versions:
            raise TooManyVersions(
                f"{self._versions.count} versions are in memory and in use, and no more may be; try again later, or "
                "raise `versions` in serving.yaml"
            )

    def _begin(self, version: ModelVersion) -> None:
        if self._versions.begin_load(version.version):
            self._loader.submit(self._load, version)

    def _load(self, version: ModelVersion) -> None:
        """Load a version, in the thread of the loader; then the follower looks whether it is the champion."""
        number = version.version
        try:
            with tracking.answering(self._workspace.root):
                served = self._read(version)
        except BaseException as error:
            if not isinstance(error, RoundsError):
                _logger.exception("version %s could not be loaded", number)
            pause = self._settings.poll if isinstance(error, NoUpstream) else RETRY
            self._failed[number] = FailedLoad(time.monotonic() + pause, str(error) or type(error).__name__)
            self._versions.fail(number, error)
        else:
            self._failed.pop(number, None)
            self._versions.put(served)
        with self._lock:
            self._calls.append(self._look)
        self._wake.set()

    def _read(self, version: ModelVersion) -> ServedVersion:
        registry = Registry(self._workspace.root)  # a new one: it reads the copy of the audit log once
        limits, digest = version_files.limits(self._workspace, version), registry.trust.known(version).digest
        return ServedVersion(version.version, digest, limits, self._writer(registry, version, digest, limits.compute))

    def _writer(self, registry: Registry, version: ModelVersion, digest: str, compute: Compute) -> AnswerWriter:
        if self._upstream:
            return relaying.found(self._workspace, registry, version, digest, self._upstream)
        with version_files.fetched(self._workspace, registry, version) as folder:  # compares the digest
            return self._host.load(folder, compute)

    def _asked_of(self) -> "list[ConcurrentDecoder | Upstream]":
        """All that write answers."""
        return [*self._host.decoders, *([self._upstream] if self._upstream else [])]

    def _hand_over_again(self, champion: ServedVersion | None) -> None:
        """Have the champion handed over if the other server has forgotten it, as after a restart."""
        writer = champion.writer if champion else None
        if not champion or not isinstance(writer, UpstreamModel) or not writer.is_missing:
            return
        if writer.upstream.settings.adapters and (self._handed is None or self._handed.done()):
            self._handed = self._loader.submit(self._found_again, champion.version, writer)

    def _found_again(self, number: str, writer: UpstreamModel) -> None:
        try:
            with tracking.answering(self._workspace.root):
                registry = Registry(self._workspace.root)
                found = relaying.found(
                    self._workspace, registry, registry.version(number), writer.digest, writer.upstream
                )
        except RoundsError as error:
            _logger.warning("version %s was not handed over again: %s", number, error)
        else:
            writer.listed = found.listed
            _logger.info("version %s was handed over again", number)

    def _free(self, idle: float) -> None:
        """Free the versions that nobody has used for so many seconds."""
        for served in self._versions.remove_unused(idle):
            self._loader.submit(self._unload, served)

    def _unload(self, served: ServedVersion) -> None:
        try:
            if isinstance(served.writer, HostedPolicy):
                self._host.unload(served.writer)
            else:
                relaying.forgotten(served.writer, served.version)
        except Exception:
            _logger.exception("version %s could not be freed", served.version)

    def _refused(self, number: str) -> str | None:
        version = self._registry.version(number)
        if self._registry.rejected(version):
            return f"version {number} was rejected by its gates"
        reason = self._registry.rolled_back(version)
        return None if reason is None else f"version {number} was rolled back"
