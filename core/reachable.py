"""Whether something listens at the address of a server, found within seconds: libraries retry for minutes."""

import socket
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
"""Scheme of a URL, without its driver → the port that it means without a number."""


def unreachable(address: str, patience: float) -> str | None:
    """The reason why nothing can be reached at a URL; None if something listens there, or if this cannot be told.

    It cannot be told of a socket file, of several hosts in one URL, of an unknown scheme, and of a server behind a
    proxy.

    Args:
        address: the URL.
        patience: seconds to wait for each address that the host's name has.
    """
    target = _target(address)
    if target is None:
        return None
    try:
        socket.create_connection(target, timeout=patience).close()
    except OSError as error:
        reason = f"no answer within {patience:.0f} s" if isinstance(error, TimeoutError) else str(error)
        return f"{target[0]}, port {target[1]}: {reason}"
    return None


def _target(address: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:  # several hosts, or a port that is no number
        return None
    scheme = parts.scheme.partition("+")[0]
    port = port or PORTS.get(scheme)
    if not host or not port or "," in host or _by_proxy(scheme, host):
        return None
    return host, port


def _by_proxy(scheme: str, host: str) -> bool:
    proxies = getproxies()
    return scheme in ("http", "https") and bool({scheme, "all"} & proxies.keys()) and not proxy_bypass(host)
