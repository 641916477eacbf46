"""The ports of `rounds up`, which other programs may use."""

import os
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from tasks.doctor.diagnosis import Diagnosis, note
from tasks.services import record
from tasks.services.chosen import Ports
from tasks.state.workspace import Workspace

PORTS = {Ports.prefect: "the Prefect server", Ports.mlflow: "the MLflow server", Ports.serving: "the serving app"}


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """Ports of this machine on which somebody listens who is neither the configured server nor a service."""
    known = _configured() | _own(workspace)
    for port, program in PORTS.items():
        if port not in known and listens(port):
            yield note(f"port {port}, that of {program}, is in use: give the next one another port")


def listens(port: int) -> bool:
    """Whether a program listens on a port of the loopback address."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _configured() -> set[int | None]:
    addresses = (os.environ.get(name, "") for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"))
    return {urlsplit(address).port for address in addresses if address.startswith("http")}


def _own(workspace: Workspace) -> set[int | None]:
    """The ports of the services that run for this workspace."""
    running = record.running(workspace)
    return {urlsplit(link).port for link in running.links.values()} if running else set()
