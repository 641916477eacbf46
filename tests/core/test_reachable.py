"""A server that cannot be reached is found by its port, before a library retries."""

import socket
from collections.abc import Iterator

import pytest

from core.reachable import unreachable


@pytest.fixture
def listening() -> Iterator[int]:
    """The port of a server."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def closed() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.fixture(autouse=True)
def proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("scheme", ["http", "https", "postgresql", "postgresql+psycopg", "mysql+pymysql"])
def test_a_port_on_which_nothing_listens(listening: int, scheme: str) -> None:
    port = closed()
    reason = unreachable(f"{scheme}://me:secret@127.0.0.1:{port}/runs", 4)
    assert reason is not None
    assert (f"127.0.0.1, port {port}" in reason, "secret" in reason) == (True, False)
    assert unreachable(f"{scheme}://127.0.0.1:{listening}/runs", 4) is None


def test_a_host_without_a_name_is_named() -> None:
    assert "nowhere.invalid, port 5432" in str(unreachable("postgresql://nowhere.invalid/runs", 4))


@pytest.mark.parametrize(
    "address",
    [
        *("sqlite:////x.db", "postgresql:///runs?host=/run/postgresql", "postgresql://a:1,b:2/runs"),
        *("odd://127.0.0.1/x", "http://127.0.0.1:x/"),
    ],
)
def test_what_cannot_be_told_is_left_to_the_library(address: str) -> None:
    assert unreachable(address, 4) is None


def test_a_server_behind_a_proxy_is_left_to_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    assert unreachable("http://nowhere.invalid:5000", 4) is None
    monkeypatch.setenv("no_proxy", "nowhere.invalid")
    assert unreachable("http://nowhere.invalid:5000", 4) is not None


def test_a_host_that_drops_packets_is_given_up() -> None:
    """A full queue of connections: Linux drops the packet that asks for another one."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(8)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        reason = unreachable(f"postgresql://127.0.0.1:{port}/runs", 0.1)
        for each in waiting:
            each.close()
    assert "no answer within" in str(reason)
