"""Where no Prefect server is configured, Prefect starts one for the length of the command: 6 to 10 s of waiting."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread


@contextmanager
def starting_early() -> Iterator[None]:
    """Have Prefect's own server come up on another core while this block imports what it needs."""
    thread = Thread(target=_start, name="prefect-server", daemon=True)
    thread.start()
    yield
    thread.join()


def _start() -> None:
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_EPHEMERAL_ENABLED

    if PREFECT_API_URL.value() is None and PREFECT_SERVER_EPHEMERAL_ENABLED.value():
        # the one that the flow asks for later: one instance a process, started once
        SubprocessASGIServer().start()
