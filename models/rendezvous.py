"""Where the machines of a training meet: the address of the machine of the round, and how many are expected.

The launcher of each machine goes there (torch's rendezvous `c10d`), and learns from the others which ranks it starts.
"""

import os
import re
import socket
import uuid
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import psutil

from core.errors import BadParams, RoundsError
from core.files import read_json, write_json
from core.stored import Value

ADDRESS = "ROUNDS_RENDEZVOUS"
"""The environment variable with the address of the machine of the round, HOST:PORT."""

FILE = "rendezvous.json"
"""In the folder of a launch, which all machines see."""

_FORM = re.compile(r"(?P<host>\[[^\]\s]+\]|[^\s:/]+):(?P<port>\d{1,5})")


_INTERNET = (socket.AF_INET, socket.AF_INET6)


class NoRendezvous(RoundsError):
    """Too few machines came for a step that trains on several, or the address of the rendezvous does not answer."""


class Rendezvous(Value):
    """Where launchers meet, once."""

    id: str
    """A launch has its own."""
    endpoint: str
    """HOST:PORT of the machine of the round."""
    nodes: int
    """Machines."""
    processes: int
    """Ranks that each machine starts."""
    minutes: float
    """How long they wait for each other."""

    @property
    def ranks(self) -> int:
        """Ranks of all machines."""
        return self.nodes * self.processes

    def save(self, folder: Path) -> None:
        """Call the machines that follow the folder."""
        write_json(folder / FILE, self.model_dump())


def read(folder: Path) -> Rendezvous | None:
    """The rendezvous that the machine of the round has called in the folder of a launch; None if there is none now."""
    try:
        return Rendezvous.from_json(read_json(folder / FILE))
    except FileNotFoundError:
        return None


def arrange(nodes: int, processes: int, minutes: float) -> Rendezvous:
    """A new rendezvous, at `ROUNDS_RENDEZVOUS` if there is more than one machine.

    Raises:
        BadParams: see `check`.
    """
    endpoint = "localhost:0" if nodes == 1 else _endpoint(nodes)
    return Rendezvous(id=uuid.uuid4().hex, endpoint=endpoint, nodes=nodes, processes=processes, minutes=minutes)


def check(nodes: int) -> None:
    """Check that this machine can be met.

    Raises:
        BadParams: there are several machines, and `ROUNDS_RENDEZVOUS` is not set, or has no address of this machine.
    """
    if nodes > 1:
        _endpoint(nodes)


def _endpoint(nodes: int) -> str:
    endpoint = os.environ.get(ADDRESS, "")
    found = _FORM.fullmatch(endpoint)
    if not found or not 0 < int(found["port"]) < 65536:
        raise BadParams(
            f"launch.nodes={nodes}: the {nodes} machines meet at {ADDRESS}={endpoint or '(not set)'}, expected the "
            "address of the machine of the round and a free port; set it there, with `export "
            f"{ADDRESS}={_proposed()}:29400` if the other machines know it by that name"
        )
    _check_ours(endpoint, found["host"].strip("[]"))
    return endpoint


def _check_ours(endpoint: str, host: str) -> None:
    """The store is kept by this machine, so the address has to be one of its own, and one that others reach.

    Many systems give the name of a machine to its loopback interface (/etc/hosts). A loopback address itself is
    accepted: then all launchers run on this machine.
    """
    try:
        addresses = _resolved(host)
    except OSError as error:
        raise BadParams(f"{ADDRESS}={endpoint}: {host} is unknown here ({error}); set its address") from error
    outside, looped = _outside(), [address for address in addresses if ip_address(address).is_loopback]
    found, reached = ", ".join(sorted(addresses)), ", ".join(outside)
    if not looped and not addresses & {*outside}:
        raise BadParams(
            f"{ADDRESS}={endpoint}: {found} is no address of this machine, which runs the round and has {reached}; "
            "set one of these that the other machines reach"
        )
    if len(looped) == len(addresses) and outside and host != "localhost" and host not in addresses:
        raise BadParams(
            f"{ADDRESS}={endpoint}: {host} is {found} on this machine, where no other one reaches it; set one of its "
            f"addresses that the other machines reach: {reached}"
        )


def _resolved(host: str) -> set[str]:
    return {str(found[4][0]).split("%")[0] for found in socket.getaddrinfo(host, None)}


def _outside() -> list[str]:
    """The addresses of this machine that others may reach, IPv4 first."""
    known = [each for interface in psutil.net_if_addrs().values() for each in interface]
    named = {(each.family, each.address.split("%")[0]) for each in known if each.family in _INTERNET}
    addresses = (address for _, address in sorted(named))
    return [address for address in addresses if not ip_address(address).is_loopback]


def _proposed() -> str:
    """This machine's name if it is not that of the loopback interface; else an address."""
    name, outside = socket.gethostname(), _outside()
    try:
        if _resolved(name) & {*outside}:
            return name
    except OSError:
        pass
    address = outside[0] if outside else "localhost"
    return f"[{address}]" if ":" in address else address


class Way(NamedTuple):
    """How this machine reaches an address."""

    address: str
    """Its own, from there."""
    interface: str
    """The network interface; empty if it is not known."""


def way(endpoint: str) -> Way:
    """How this machine reaches a rendezvous. Nothing is sent.

    Raises:
        NoRendezvous: there is no way.
    """
    host, _, port = endpoint.rpartition(":")
    try:
        family, _, _, _, target = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(target)
            address = str(probe.getsockname()[0])
    except OSError as error:
        raise NoRendezvous(
            f"this machine has no way to {endpoint}, where the machines meet ({error}); correct "
            f"{ADDRESS} on the machine of the round, or the network"
        ) from error
    named = (name for name, known in psutil.net_if_addrs().items() if any(each.address == address for each in known))
    return Way(address, next(named, ""))
