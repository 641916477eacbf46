"""The versions in memory, and who uses or awaits them. Nothing here waits for anything: the event loop may call it."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple

from core.errors import NotFound
from models.concurrent import QueueFull
from models.hosting import HostedPolicy
from models.policy import ModelSettings
from models.upstream import UpstreamModel

AnswerWriter = HostedPolicy | UpstreamModel
"""What writes the answers of a version: a policy in memory, or a server."""


@dataclass(eq=False)
class ServedVersion:
    """A version in memory, or one that an upstream server has."""

    version: str
    digest: str
    """SHA-256 of its files, which were compared with it; those of an upstream server are its own affair."""
    limits: ModelSettings
    """Of the round that made it."""
    writer: AnswerWriter
    """What writes its answers."""
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


class Lease:
    """A version for one request: it stays in memory until `close`. In a `with` block, this thread waits for it."""

    def __init__(self, give_back: Callable[[ServedVersion], None]) -> None:
        """Not granted yet.

        Args:
            give_back: called with the version when the request has ended.
        """
        self.future: Future[ServedVersion] = Future()
        """The version once it is in memory, or why it cannot be."""
        self._give_back = give_back

    def close(self) -> None:
        """Give the version back, or stop to wait for it. To be called once."""
        if not self.future.cancel():
            self.future.add_done_callback(self._ended)

    def _ended(self, future: "Future[ServedVersion]") -> None:
        if future.exception() is None:
            self._give_back(future.result())

    def __enter__(self) -> ServedVersion:
        """The version.

        Raises:
            RoundsError: it cannot be loaded.
        """
        return self.future.result()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class LoadedVersions:
    """Which versions are in memory or being loaded, and which one is champion. Any thread may call the methods."""

    def __init__(self, most_waiting: int) -> None:
        """None yet.

        Args:
            most_waiting: requests that may wait for a version to be loaded.
        """
        self._most_waiting = most_waiting
        self._lock = threading.Lock()
        self._loaded: dict[str, ServedVersion] = {}
        self._loading: set[str] = set()
        self._awaited: dict[str, list[Lease]] = {}
        self._champion: str | None = None
        self._next: str | None = None
        self._problem: str | None = "the champion is not loaded yet"

    @property
    def state(self) -> FollowerState:
        """What is known now."""
        with self._lock:
            return FollowerState(self._champion, tuple(self._loaded), self._problem)

    @property
    def champion(self) -> ServedVersion | None:
        """The version that answers."""
        with self._lock:
            return self._loaded.get(self._champion or "")

    @property
    def count(self) -> int:
        """Versions in memory, and those that are being loaded."""
        with self._lock:
            return len(self._loaded) + len(self._loading)

    @property
    def waiting(self) -> int:
        """Requests that wait for a version to be loaded."""
        with self._lock:
            return self._waiting()

    def lease(self, number: str | None) -> Lease:
        """A lease of a version, or of the champion (None); granted at once if the version is in memory.

        Raises:
            NotFound: there is no champion yet.
            QueueFull: as many requests as may wait for versions.
        """
        lease = Lease(self._give_back)
        with self._lock:
            number = number or self._champion
            if number is None:
                raise NotFound(f"no version answers yet: {self._problem}; wait, or see /health/ready")
            if number in self._loaded:
                self._loaded[number].users += 1
                lease.future.set_result(self._loaded[number])
            elif self._waiting() >= self._most_waiting:
                raise QueueFull(
                    f"{self._waiting()} requests wait for versions to be loaded, and at most {self._most_waiting} may; "
                    "try again later"
                )
            else:
                self._awaited.setdefault(number, []).append(lease)
        return lease

    def needs_load(self, number: str) -> bool:
        """Whether requests await a version that nobody loads."""
        with self._lock:
            return number in self._awaited and number not in self._loading

    def begin_load(self, number: str) -> bool:
        """Note that a version is being loaded; False if it is already, or is in memory."""
        with self._lock:
            if number in self._loaded or number in self._loading:
                return False
            self._loading.add(number)
            return True

    def put(self, served: ServedVersion) -> None:
        """Add a version that was loaded, and lease it to all who await it before it could be freed."""
        with self._lock:
            self._loading.discard(served.version)
            self._loaded[served.version] = served
            leases = self._granted(served.version)
            served.users += len(leases)
        for lease in leases:
            lease.future.set_result(served)

    def fail(self, number: str, error: BaseException) -> None:
        """Tell all who await a version that it cannot be loaded."""
        with self._lock:
            self._loading.discard(number)
            leases = self._granted(number)
        for lease in leases:
            lease.future.set_exception(error)

    def take_over(self, number: str) -> bool:
        """Make the version that the alias names champion if it is in memory; if not, it is kept once it is loaded."""
        with self._lock:
            self._next = number
            if number not in self._loaded:
                return False
            self._champion, self._problem = number, None
            return True

    def note(self, problem: str) -> bool:
        """Note why another version than the alias names answers; whether that is new."""
        with self._lock:
            new, self._problem = problem != self._problem, problem
        return new

    def remove_unused(self, idle: float) -> list[ServedVersion]:
        """Remove the versions that nobody has used for so many seconds, but for the champion and the next one.

        A version whose model fails for good is removed as soon as nobody uses it: asked again, it is loaded again.
        """
        with self._lock:
            unused = [
                served
                for number, served in self._loaded.items()
                if number not in (self._champion, self._next)
                and not served.users
                and (time.monotonic() - served.used >= idle or served.writer.ended)
            ]
            for served in unused:
                del self._loaded[served.version]
        return unused

    def fail_all(self, error: BaseException) -> None:
        """Tell all who wait that nothing is loaded any more."""
        with self._lock:
            awaited = list(self._awaited)
        for number in awaited:
            self.fail(number, error)

    def _waiting(self) -> int:
        return sum(not lease.future.cancelled() for leases in self._awaited.values() for lease in leases)

    def _granted(self, number: str) -> list[Lease]:
        """The leases that await a version, and whose requests are still there; they cannot be cancelled any more."""
        leases = self._awaited.pop(number, [])
        return [lease for lease in leases if lease.future.set_running_or_notify_cancel()]

    def _give_back(self, served: ServedVersion) -> None:
        with self._lock:
            served.users -= 1
            served.used = time.monotonic()
