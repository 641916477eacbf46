"""No client sends loopback requests through a proxy."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx
import pytest
import requests

from core.proxies import LOOPBACK, exempt_loopback

CLOSED = "http://127.0.0.1:9"
"""A proxy address on which nothing listens."""

CHILD = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())"


class Greeting(BaseHTTPRequestHandler):
    """Answers every GET request."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def serving() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Greeting) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with proxies and without exemptions."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, CLOSED)
        monkeypatch.setenv(name.upper(), CLOSED)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")  # so that monkeypatch restores it
        monkeypatch.delenv(name)
    return monkeypatch


def test_a_closed_proxy_fails_without_an_exemption(proxied: pytest.MonkeyPatch) -> None:
    with serving() as address, pytest.raises(httpx.ConnectError):
        httpx.get(address)


def test_loopback_is_reached_by_every_client_and_by_children(proxied: pytest.MonkeyPatch) -> None:
    exempt_loopback()
    with serving() as address:
        urls = [address, address.replace("127.0.0.1", "localhost")]
        assert [httpx.get(url).text for url in urls] == ["hello"] * 2
        assert [requests.get(url, timeout=10).text for url in urls] == ["hello"] * 2
        child = [sys.executable, "-c", CHILD, address]
        assert subprocess.run(child, capture_output=True, text=True, check=True).stdout == "hello\n"


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        (None, None, []),
        ("", "", []),
        ("corp.example", None, ["corp.example"]),
        (None, "corp.example, .local", ["corp.example", ".local"]),
        ("localhost,corp.example", "localhost,corp.example", ["localhost", "corp.example"]),
    ],
)
def test_existing_entries_are_kept(
    proxied: pytest.MonkeyPatch, lower: str | None, upper: str | None, expected: list[str]
) -> None:
    for name, value in (("no_proxy", lower), ("NO_PROXY", upper)):
        if value is not None:
            proxied.setenv(name, value)
    exempt_loopback()
    exempt_loopback()
    names = [os.environ[name].split(",") for name in ("no_proxy", "NO_PROXY")]
    assert names == [[*expected, *(name for name in LOOPBACK if name not in expected)]] * 2


def test_a_lone_star_is_unchanged(proxied: pytest.MonkeyPatch) -> None:
    proxied.setenv("no_proxy", "*")
    exempt_loopback()
    assert os.environ["no_proxy"] == "*"
