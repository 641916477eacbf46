"""Where machines meet: the address is one of the machine of the round, and what is written there is read again."""

import socket
from pathlib import Path

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
