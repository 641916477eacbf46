"""What a service is: a command, its environment, and how to ask whether it answers."""

import dataclasses
import http.client
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

UNAVAILABLE = "unavailable"
"""In place of a reason, for whoever is no operator."""

PATIENCE = 5.0
"""Seconds to wait for one answer."""

GRACE = 10.0
"""Seconds that a service has for its own end before it is killed."""

LIMIT = 300.0
"""Seconds until a service must answer. Long, because a service that ends meanwhile is noticed at once."""


@dataclass(frozen=True)
class ReadinessProbe:
    """A request that a service answers as soon as it can be used."""

    url: str
    body: str | None = None
    """JSON to POST; without it, the request is a GET."""
    contains: str = ""
    """A text that the answer must have."""

    def answered(self) -> bool:
        """Whether the service answers now."""
        answer = _ask(self.url, self.body)
        return answer is not None and answer.status == http.client.OK and self.contains in answer.text


def _unknown() -> None:
    """Nothing is known."""


@dataclass(frozen=True)
class StateProbe:
    """A request whose answer says in one of its fields what is wrong with a service that answers."""

    url: str
    field: str
    """Of the JSON object that is the answer, with any status: `ok`, what is wrong and what to do, or `unavailable`."""
    reason: Callable[[], str | None] = dataclasses.field(default=_unknown, compare=False)
    """Finds out why it is `unavailable`, which the service tells operators only."""

    def problem(self) -> str | None:
        """What is wrong now; None if nothing is."""
        answer = _ask(self.url)
        if answer is None:
            return f"{self.url} does not answer within {PATIENCE:.0f} s; see its log"
        try:
            state = str(json.loads(answer.text)[self.field])
        except (ValueError, KeyError, TypeError):
            return f"{self.url} gives another answer than expected: {answer.text[:200]!r}; see its log"
        if state == UNAVAILABLE:
            return self.reason() or f"its {self.field} is {state}; see its log"
        return None if state == "ok" else state


class _Answer(NamedTuple):
    """An answer over HTTP."""

    status: int
    text: str


def _ask(url: str, body: str | None = None) -> _Answer | None:
    """The answer to a request; None without one. No proxy is asked: services are on this machine."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=PATIENCE)
    method = "GET" if body is None else "POST"
    try:
        connection.request(method, address.path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return _Answer(answer.status, answer.read().decode(errors="replace"))
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


@dataclass(frozen=True)
class Service:
    """A program that runs until it is ended."""

    name: str
    """One word, for its log."""
    title: str
    """How people call it."""
    command: tuple[str, ...]
    env: Mapping[str, str]
    """The whole environment."""
    ready: ReadinessProbe
    port: int | None = None
    """Where it listens, on the loopback address; None if it does not."""
    option: str = ""
    """The option of `rounds up` that chooses the port."""
    limit: float = LIMIT
    """Seconds until it must answer."""
    grace: float = GRACE
    """Seconds for its own end."""
    lock: Path | None = None
    """A lock file to hold while it starts: it creates what others could create at the same time."""
    then: tuple[str, ...] = ()
    """A command to run to its end once the service answers, before the next is started."""
    state: StateProbe | None = None
    """Asked when all services answer; None if a service that answers can be used."""

    @property
    def link(self) -> str | None:
        """Its address for a browser."""
        return f"http://127.0.0.1:{self.port}" if self.port else None
