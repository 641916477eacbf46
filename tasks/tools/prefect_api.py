"""The Prefect server that the user configured, asked with an end: by its own settings, the client would wait and repeat
for minutes where a server accepts connections and never answers.

Importing Prefect takes seconds, so functions import it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

from core.errors import RoundsError
from core.reachable import unreachable

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

PATIENCE = 2.0
"""Seconds to wait for the server to accept a connection."""

OWN_SERVERS: set[str] = set()
"""API addresses of temporary servers that this process started."""

_CURE = "start it with the worker and all other services: `rounds up`"


class NoPrefect(RoundsError):
    """There is no Prefect server, or it does not answer."""


def configured() -> bool:
    """True if the user configured a Prefect server; a temporary one that this process started does not count."""
    from prefect.settings import PREFECT_API_URL

    return PREFECT_API_URL.value() not in (None, *OWN_SERVERS)


def address() -> str:
    """The address of the server's API."""
    from prefect.settings import PREFECT_API_URL

    return str(PREFECT_API_URL.value())


@contextmanager
def asking(total: float) -> Iterator["SyncPrefectClient"]:
    """A client of the server while the block runs.

    Args:
        total: seconds for all requests of the block; none is repeated.

    Raises:
        NoPrefect: no server is configured, it does not answer in time, or it fails.
    """
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectException
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    if not configured():
        raise NoPrefect(f"no Prefect server is configured; {_CURE}")
    if reason := unreachable(address(), PATIENCE):
        raise NoPrefect(f"the Prefect server at {address()} does not answer; {_CURE}\n{reason}")
    end = time.monotonic() + total

    def limit(request: httpx.Request) -> None:
        left = max(end - time.monotonic(), 0.001)
        request.extensions["timeout"] = dict.fromkeys(("connect", "read", "write", "pool"), left)

    try:
        with (
            temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
            get_client(httpx_settings={"event_hooks": {"request": [limit]}}, sync_client=True) as client,
        ):
            yield client
    except httpx.TimeoutException as error:
        raise NoPrefect(
            f"the Prefect server at {address()} accepts connections and does not answer within {total} s; end the "
            "services and start them again: `rounds up`"
        ) from error
    except (httpx.HTTPError, PrefectException) as error:
        raise NoPrefect(f"the Prefect server at {address()} failed; {_CURE}\n{error}") from error
