"""What a service is: a command, its environment, and how to ask whether it answers."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

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
    any_status: bool = False
    """Whether an answer with an error counts: the service runs, and lacks something that comes later."""

    def answered(self) -> bool:
        """Whether the service answers now. No proxy is asked: services are on this machine."""
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=PATIENCE)
        method = "GET" if self.body is None else "POST"
        try:
            connection.request(method, address.path, self.body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return (answer.status == http.client.OK or self.any_status) and self.contains in text


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

    @property
    def link(self) -> str | None:
        """Its address for a browser."""
        return f"http://127.0.0.1:{self.port}" if self.port else None
