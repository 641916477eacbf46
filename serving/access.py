"""Who asks, and how often: keys with roles, and a limit of requests a key.

Without any key the server is open, and listens on loopback only. Once a key was made, every request needs one.
"""

import math
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, NamedTuple

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from feedback.store.keys import OPEN, KeyRole
from serving.errors import ApiError
from serving.storage import Storage

if TYPE_CHECKING:
    from feedback.store.database import Database

REMEMBERED = 3.0
"""Seconds for which a key that was checked is not checked again: a revoked one is refused after that."""

_bearer = HTTPBearer(auto_error=False, description="A key of this server, which an operator makes.")


class Caller(NamedTuple):
    """Who sent a request."""

    name: str
    """Of the key: the application, or the person."""
    role: KeyRole

    def annotator(self, user: str | None) -> str:
        """The id under which answers and feedback of a person are stored.

        An application names its users, each within the name of its own key; all whom it does not name are one.
        """
        return self.name if user is None else f"{self.name}:{user}"

    @property
    def names_users(self) -> bool:
        """Whether it says for which user it speaks: an application does, and who uses a server without keys."""
        return self.role == "client" or self == ANYBODY

    @property
    def annotator_type(self) -> str:
        """What the person is, for feedback."""
        return "user" if self.role == "client" else "human"


ANYBODY = Caller(OPEN, "operator")


class RequestAllowance:
    """How many requests are left: so many a minute, and all of them at once after a minute without any."""

    def __init__(self, a_minute: int, now: float) -> None:
        """Full."""
        self._a_minute, self._left, self._at = a_minute, float(a_minute), now

    def take(self, now: float) -> int | None:
        """Take one; None if there was one, else the seconds until there is."""
        self._left = min(self._a_minute, self._left + (now - self._at) * self._a_minute / 60)
        self._at = now
        if self._left < 1:
            return math.ceil((1 - self._left) * 60 / self._a_minute)
        self._left -= 1
        return None


class Gatekeeper:
    """Checks keys, and counts requests."""

    def __init__(self, storage: Storage, a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """No request yet.

        Args:
            storage: has the keys.
            a_minute: requests that a key may make in a minute.
            clock: seconds, which never go back.
        """
        self._storage, self._a_minute, self._clock = storage, a_minute, clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Caller | None]] = {}
        self._allowances: dict[str, RequestAllowance] = {}

    async def admit(self, key: str | None) -> Caller:
        """Who has this key.

        Raises:
            ApiError: there is no such key (401), too many requests came with it (429), or the database does not
                answer (503).
        """
        caller = await self._caller(key or "")
        if caller is None:
            raise ApiError(
                401,
                "a valid key is needed; send it as `Authorization: Bearer KEY` (an operator makes one with "
                "`rounds keys make NAME --role client`)",
                code="invalid_api_key",
            )
        self.count(caller.name)
        return caller

    def count(self, name: str) -> None:
        """Count one request of a key by its name, or of a person who uses a server without keys.

        Raises:
            ApiError: too many came (429).
        """
        with self._lock:
            now = self._clock()
            wait = self._allowances.setdefault(name, RequestAllowance(self._a_minute, now)).take(now)
        if wait is not None:
            raise ApiError(
                429,
                f"more than {self._a_minute} requests a minute came from you; wait {wait} s",
                code="rate_limit_exceeded",
                retry_after=wait,
            )

    async def is_operator(self, key: str | None) -> bool:
        """Whether this is the key of an operator; while the database does not answer, whether it was when it did."""
        with self._lock:
            _, caller = self._known.get(key or "", (-math.inf, None))
        with suppress(ApiError):
            caller = await self._caller(key or "")
        return caller is not None and caller.role == "operator"

    async def _caller(self, key: str) -> Caller | None:
        with self._lock:
            at, caller = self._known.get(key, (-math.inf, None))
            if self._clock() < at + REMEMBERED:
                return caller
        caller = await self._storage.run(lambda database: _found(database, key))
        with self._lock:
            self._known = {
                known: entry for known, entry in self._known.items() if self._clock() < entry[0] + REMEMBERED
            }
            if caller:
                self._known[key] = self._clock(), caller
        return caller


def _found(database: "Database", key: str) -> Caller | None:
    from feedback.store import keys

    if not keys.exist(database):
        return ANYBODY
    record = keys.check(database, key)
    return record and Caller(record.name, record.role)


def allowing(*roles: KeyRole) -> Callable[..., Awaitable[Caller]]:
    """A dependency of a route: the caller, who has one of these roles."""

    async def admitted(
        request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> Caller:
        gatekeeper: Gatekeeper = request.app.state.serving.gatekeeper
        caller = await gatekeeper.admit(given.credentials if given else None)
        if caller.role not in roles:
            raise ApiError(
                403,
                f"the key {caller.name} has the role {caller.role}, and this takes {' or '.join(roles)}",
                code="insufficient_permissions",
            )
        return caller

    return admitted


async def unchecked(request: Request) -> str | None:
    """The key of a request, for a route that needs none."""
    given = await _bearer(request)
    return given.credentials if given else None


AnyCaller = Annotated[Caller, Depends(allowing("client", "annotator", "operator"))]
Operator = Annotated[Caller, Depends(allowing("operator"))]
GivenKey = Annotated[str | None, Depends(unchecked)]
