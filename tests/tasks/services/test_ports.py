"""Ports are checked before anything starts."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.services import ports
from tasks.services.ports import PortTaken
from tests.tasks.services.small import free_port, service


def test_ports_in_use_are_named_with_their_holder_and_the_option(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("0.0.0.0", 0)) as second:
        taken = [each.getsockname()[1] for each in (first, second)]
        services = [
            service(tmp_path, "one", port=taken[0]),
            service(tmp_path, "free"),
            service(tmp_path, "two", port=taken[1]),
        ]
        with pytest.raises(PortTaken) as caught:
            ports.check(services)
    begin, *lines = str(caught.value).splitlines()
    assert begin == "choose other ports, or end the processes that listen there:"
    assert [line.partition(" (")[0] for line in lines] == [
        f"    port {taken[0]} of the one server is in use by process {os.getpid()}",
        f"    port {taken[1]} of the two server is in use by process {os.getpid()}",
    ]
    assert [line.rpartition(": ")[2] for line in lines] == ["--one-port PORT", "--two-port PORT"]
    ports.check(services)


def test_two_services_with_one_port(tmp_path: Path) -> None:
    port = free_port()
    with pytest.raises(PortTaken, match=f"port {port} of the two server is given to another service too"):
        ports.check([service(tmp_path, "one", port=port), service(tmp_path, "two", port=port)])


def test_a_service_that_does_not_listen_has_no_port(tmp_path: Path) -> None:
    worker = replace(service(tmp_path, "worker"), port=None)
    ports.check([worker, worker])
    assert worker.link is None


def test_a_port_from_which_a_connection_was_just_closed_is_free() -> None:
    """The kernel keeps it for a minute; servers may listen on it all the same."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = server.accept()
            accepted.close()
    assert ports.unusable(port) is None
