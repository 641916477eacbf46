"""Whether the ports of services are free, asked before anything starts."""

import socket
from collections.abc import Iterable
from contextlib import suppress

import psutil

from core.errors import RoundsError
from tasks.services.service import Service


class PortTaken(RoundsError):
    """A service cannot listen on its port."""


def check(services: Iterable[Service]) -> None:
    """Check the port of every service.

    Raises:
        PortTaken: ports cannot be used; names all of them, who listens there if that can be seen, and the options.
    """
    problems, seen = [], set[int]()
    for service in services:
        if service.port is None:
            continue
        if reason := "given to another service too" if service.port in seen else unusable(service.port):
            problems.append(f"\n    port {service.port} of the {service.title} is {reason}: {service.option} PORT")
        seen.add(service.port)
    if problems:
        raise PortTaken(f"choose other ports, or end the processes that listen there:{''.join(problems)}")


def unusable(port: int) -> str | None:
    """Why nothing can listen on a port of the loopback address; None if it is free."""
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as servers do: connections that ended do not count
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return "reserved for the superuser"
        except OSError:
            who = _listener(port)
            return f"in use by {who}" if who else "in use by a process that this user may not see"
    return None


def _listener(port: int) -> str | None:
    """The process that listens on a port; None if it belongs to somebody else."""
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
            if listens and connection.pid:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    return None
