"""Proxies are for the network: this machine's own servers (Prefect, MLflow) are reached without one."""

import os

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def spare_loopback() -> None:
    """Add this machine's own names to `no_proxy` and `NO_PROXY`, for this process and those that it starts.

    What stands there stays. Both are written, since programs differ in which they read; where only one is set, its
    names go into both, or the other would hide them.
    """
    for name, other in (("no_proxy", "NO_PROXY"), ("NO_PROXY", "no_proxy")):
        known = os.environ.get(name) or os.environ.get(other) or ""
        if known.strip() != "*":  # no proxy for anything; only a star that stands alone is read as that
            os.environ[name] = ",".join(dict.fromkeys([*_names(known), *LOOPBACK]))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
