"""Proxy settings: loopback addresses (local Prefect and MLflow servers) never go through a proxy."""

import os

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def exempt_loopback() -> None:
    """Add the loopback names to `no_proxy` and `NO_PROXY`, for this process and its children.

    Existing entries are kept. Both variables are set, because programs differ in which one they read. If only one is
    set, its entries are copied to the other, which would otherwise hide them.
    """
    for name, other in (("no_proxy", "NO_PROXY"), ("NO_PROXY", "no_proxy")):
        current = os.environ.get(name) or os.environ.get(other) or ""
        if current.strip() != "*":  # `*` disables all proxies, but only if it is the only entry
            os.environ[name] = ",".join(dict.fromkeys([*_names(current), *LOOPBACK]))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
