"""`python -m serving`: answer over HTTP, with the champion of a workspace."""

import argparse
import ipaddress
import logging.config
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from core import process
from core.errors import BadParams, RoundsError
from serving.app import create_app
from serving.context import Serving
from serving.guard import LOOPBACK
from serving.settings import ServingSettings, settings
from tasks.state import feedback_database
from tasks.state.choosing import current
from tasks.state.workspace import Workspace

GRACE = 30
"""Seconds for which answers that were begun may go on when the server is ended."""


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"level": "INFO", "handlers": ["stderr"]},
    "loggers": {"httpx": {"level": "WARNING"}},  # else a line for every look at an upstream server
}


def main(words: Sequence[str] | None = None) -> None:
    """Serve until a signal comes."""
    given = _arguments(words)
    process.prepare()
    logging.config.dictConfig(LOGGING)
    running = RunningServer()
    try:
        workspace = current(given.workspace)
        chosen = settings(workspace, given.set)
        hosts = allowed_hosts(workspace, given.host, chosen)
        app = create_app(Serving.of(workspace, chosen, running.end), hosts)
    except RoundsError as error:
        logging.getLogger(__name__).error("%s: %s", type(error).__name__, error)
        sys.exit(2)
    sys.exit(running.run(app, given.host, given.port))


class RunningServer:
    """The server of this process."""

    def __init__(self) -> None:
        self._server: uvicorn.Server | None = None
        self._failed = False

    def run(self, app: FastAPI, host: str, port: int) -> int:
        """Serve until a signal comes, or `end` is called; the exit status."""
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE,
        )
        self._server = uvicorn.Server(config)
        with suppress(KeyboardInterrupt):
            self._server.run()
        return int(self._failed or not self._server.started)

    def end(self, reason: str) -> None:
        """End the process with an exit status other than 0, so that who keeps it starts it again."""
        logging.getLogger(__name__).error("the server ends, since only a new process can help: %s", reason)
        self._failed = True
        if self._server:
            self._server.should_exit = True


def allowed_hosts(workspace: Workspace, host: str, chosen: ServingSettings) -> frozenset[str] | None:
    """The names under which the server may be reached; None for any.

    A name other than localhost means that a proxy passes requests of other machines on.

    Raises:
        BadParams: it would be open to others than users of this machine, since no key was made.
    """
    names = frozenset(name.lower() for name in chosen.hosts) | LOOPBACK
    if is_loopback(host) and names == LOOPBACK:
        return names
    from feedback.store import keys

    with feedback_database.opened(workspace) as database:
        if not keys.exist(database):
            where = f"serving.yaml names the host {chosen.hosts[0]}" if is_loopback(host) else f"--host {host}"
            raise BadParams(
                f"{where}: other machines reach the server, and no key was made, so that everybody could chat, judge "
                "and read; make one with `rounds keys make NAME --role operator`"
            )
    return names if is_loopback(host) or chosen.hosts else None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m serving", description="Chat with the champion over HTTP.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; beyond loopback, keys are needed")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workspace", "-w", type=Path, help="folder of the workspace")
    parser.add_argument(
        "--set",
        "-S",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of serving.yaml, e.g. -S rows=8",
    )
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
