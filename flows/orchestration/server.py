"""Our own Prefect server, if none is configured: it starts while the command is still importing.

Prefect would start one too, but only when the flow begins, which costs 6 to 10 s, and that one outlives a command that
is killed. Run as a program, this module is the server; its standard input is a pipe that closes when the command ends.
"""

import atexit
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Thread

from core.errors import RoundsError, Unwritable
from core.files import unwritable
from core.proxies import exempt_loopback
from tasks.state.lock import holding
from tasks.tools.prefect_api import OWN_SERVERS, configured

_GRACE = 5.0  # seconds for a clean shutdown of the server
_GRACE_ALONE = 1.0  # the same if the command was killed or interrupted: nobody needs its answers any more


def starting() -> AbstractContextManager[None]:
    """Start a server if none is configured, without waiting for it; the returned context manager waits.

    Raises:
        Unwritable: Prefect's folder, in which the server keeps its database, cannot be written.

    Raises (on entering):
        RoundsError: the server did not start (its own error is on the terminal), or the configured one does not
            answer.
    """
    from prefect.settings import PREFECT_SERVER_EPHEMERAL_ENABLED

    exempt_loopback()
    if configured():
        return _answering()
    if not PREFECT_SERVER_EPHEMERAL_ENABLED.value():
        return nullcontext()
    _check_home()
    process = _start()
    atexit.register(_stop, process)  # not earlier: Prefect sends its last events and log lines at exit
    return _serving(process)


def _check_home() -> None:
    from prefect.settings import get_current_settings

    home = get_current_settings().home
    if problem := unwritable(home):
        raise Unwritable(
            f"Prefect cannot write its folder {home} ({problem}); set PREFECT_HOME to a folder that can be "
            "written, for example PREFECT_HOME=/tmp/prefect"
        )


def _start() -> subprocess.Popen[str]:
    from prefect.settings import get_current_settings

    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    # also set here: a command that is run in another folder does not read the pyproject.toml of the project
    bare = {
        "PREFECT_SERVER_ANALYTICS_ENABLED": "0",
        "PREFECT_UI_ENABLED": "0",
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "flows.orchestration.server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **settings, **bare},
        process_group=0,  # Ctrl-C is for the command, which needs its server to the end; then the pipe ends the server
    )


@contextmanager
def _answering() -> Iterator[None]:
    """Check the configured server; without this, Prefect fails with a traceback."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        if error := client.api_healthcheck():
            raise RoundsError(
                f"the Prefect server at {client.api_url} does not answer ({error}); start it, or unset PREFECT_API_URL "
                "to run the round without it"
            )
    yield


@contextmanager
def _serving(process: subprocess.Popen[str]) -> Iterator[None]:
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    assert process.stdout is not None
    port = process.stdout.readline().strip()
    if not port:
        raise RoundsError(
            f"the Prefect server exited with code {process.wait()} during its start; start one in another terminal "
            "with `rounds up --only prefect`, and set PREFECT_API_URL to it"
        )
    address = f"http://127.0.0.1:{port}/api"
    OWN_SERVERS.add(address)
    # if this server dies it does not come back, and Prefect would retry for more than a minute at the end of the flow
    with temporary_settings({PREFECT_API_URL: address, PREFECT_CLIENT_MAX_RETRIES: 3}):
        yield


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _serve() -> None:
    Thread(target=_end_with_parent, daemon=True).start()  # before the imports, which take seconds
    import uvicorn
    from prefect.settings import get_current_settings

    home = get_current_settings().home

    class Announcing(uvicorn.Server):
        """Prints its port as soon as it answers."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            # two servers starting in a new PREFECT_HOME would both create the tables, and one would fail
            with holding(home / ".rounds" / "lock", "the start of a Prefect server", wait=300):
                await super().startup(sockets)
            print(port, flush=True)

    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    app = "prefect.server.api.server:create_app"
    Announcing(uvicorn.Config(app, factory=True, log_level="error", lifespan="on")).run([listening])


def _end_with_parent() -> None:
    sys.stdin.read()  # returns when the parent ends, for whatever reason
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_ALONE)
    os._exit(1)


if __name__ == "__main__":
    _serve()
