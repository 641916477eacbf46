"""Where machines meet: the address is one of the machine of the round, and what is written there is read again."""

import re
import socket
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from core.errors import BadParams
from models.rendezvous import ADDRESS, NoRendezvous, arrange, check, read, way


def test_one_machine_needs_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADDRESS, raising=False)
    check(1)
    alone = arrange(1, 4, 10.0)
    assert (alone.endpoint, alone.ranks) == ("localhost:0", 4)


@pytest.mark.parametrize("value", [None, "", "host", "host:", "host:0", "host:70000", "a b:29400", ":29400"])
def test_several_need_one(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADDRESS, raising=False)
    if value is not None:
        monkeypatch.setenv(ADDRESS, value)
    with pytest.raises(BadParams, match=rf"the 2 machines meet at {ADDRESS}=.*export {ADDRESS}="):
        check(2)


def test_the_printed_address_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADDRESS, raising=False)
    with pytest.raises(BadParams) as caught:
        check(2)
    monkeypatch.setenv(ADDRESS, str(caught.value).split(f"export {ADDRESS}=")[1].split("`")[0])
    check(2)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_an_address_of_this_machine_is_accepted(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS, f"{host}:29400")
    meeting = arrange(2, 4, 10.0)
    assert (meeting.endpoint, meeting.ranks) == (f"{host}:29400", 8)


@pytest.mark.parametrize(
    ("host", "said"), [("192.0.2.7", "no address of this machine"), ("nowhere.invalid", "unknown")]
)
def test_another_one_is_not(host: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS, f"{host}:29400")  # RFC 5737 and RFC 2606: nobody's
    with pytest.raises(BadParams, match=said):
        check(2)


class Known(NamedTuple):
    """An address of an interface, as psutil gives it."""

    family: socket.AddressFamily
    address: str


def addresses(monkeypatch: pytest.MonkeyPatch, outside: str | None, name: str) -> None:
    """Give this machine a loopback address, another one, and an address for its name."""
    known = {"lo": [Known(socket.AF_INET, "127.0.0.1")]}
    if outside:
        known["eth0"] = [
            Known(socket.AF_PACKET, "02:00:00:00:00:01"),
            Known(socket.AF_INET, outside),
        ]

    def found(host: str, *_: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, 0, 0, "", ({"gpu-1": name, "localhost": "127.0.0.1"}.get(host, host), 0))]

    monkeypatch.setattr(psutil, "net_if_addrs", lambda: known)
    monkeypatch.setattr(socket, "gethostname", lambda: "gpu-1")
    monkeypatch.setattr(socket, "getaddrinfo", found)


@pytest.mark.parametrize(
    ("outside", "name", "proposed"),
    [
        ("192.0.2.7", "192.0.2.7", "gpu-1"),
        ("192.0.2.7", "127.0.1.1", "192.0.2.7"),
        ("2001:db8::7", "127.0.1.1", "[2001:db8::7]"),
        (None, "127.0.1.1", "localhost"),
    ],
)
def test_a_name_of_the_loopback_interface_is_not_proposed(
    outside: str | None, name: str, proposed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses(monkeypatch, outside, name)
    monkeypatch.delenv(ADDRESS, raising=False)
    with pytest.raises(BadParams, match=rf"`export {ADDRESS}={re.escape(proposed)}:29400`"):
        check(2)
    monkeypatch.setenv(ADDRESS, f"{proposed}:29400")
    if outside != "2001:db8::7":  # this stand-in of the resolver knows IPv4 only
        check(2)


def test_a_name_that_is_the_loopback_interface_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses(monkeypatch, "192.0.2.7", "127.0.1.1")
    monkeypatch.setenv(ADDRESS, "gpu-1:29400")
    with pytest.raises(
        BadParams, match=r"gpu-1 is 127\.0\.1\.1 on this machine.*the other machines reach: 192\.0\.2\.7$"
    ):
        check(2)


def test_what_is_called_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS, "127.0.0.1:29400")
    assert read(tmp_path) is None
    first, second = arrange(2, 1, 10.0), arrange(2, 1, 10.0)
    first.save(tmp_path)
    assert read(tmp_path) == first
    assert first.id != second.id


def test_the_way_to_an_address_begins_at_an_interface_of_this_machine() -> None:
    found = way("127.0.0.1:29400")
    assert found.address == "127.0.0.1"
    assert found.interface in {name for _, name in socket.if_nameindex()}
    with pytest.raises(NoRendezvous, match=r"no way to nowhere\.invalid:1"):
        way("nowhere.invalid:1")
