"""Brings the work pool, deployments and automations of this project to the server of PREFECT_API_URL.

They are sent where they are missing, and where prefect.yaml or automations.yaml has changed since. Otherwise nothing
is sent: `prefect deploy` would switch schedules on that somebody has paused. `rounds up` runs this module as a program,
before its worker starts.
"""

import hashlib
import logging
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import prefect
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import VariableCreate, VariableUpdate, WorkPoolCreate
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectAlreadyExists

from flows.orchestration.late import drop_overtaken
from tasks.state.workspace import PROJECT

APPLIED = "rounds_deployed"
"""The variable on the server with the digest of the files that it has."""

_logger = logging.getLogger(__name__)

DEPLOYMENTS, AUTOMATIONS = PROJECT / "prefect.yaml", PROJECT / "automations.yaml"


def deploy(deployments: Path = DEPLOYMENTS, automations: Path = AUTOMATIONS) -> bool:
    """Send what is missing or has changed; False if the server has everything.

    Raises:
        CalledProcessError: `prefect deploy` failed; its output says why.
        HTTPError: the server does not answer.
    """
    wanted = yaml.safe_load(deployments.read_text(encoding="utf-8"))["deployments"]
    described = yaml.safe_load(automations.read_text(encoding="utf-8"))["automations"]
    with get_client(sync_client=True) as client:
        for pool in sorted({entry["work_pool"]["name"] for entry in wanted}):
            _make_pool(client, pool)
        digest = _digest((deployments, automations))
        there = {deployment.name for deployment in client.read_deployments()}
        missing = {entry["name"] for entry in wanted} - there
        missing |= {entry["name"] for entry in described if not client.read_automations_by_name(entry["name"])}
        if not missing and _applied(client) == digest:
            return False
        words = ("--no-prompt", "deploy", "--all", "--prefect-file", str(deployments))
        subprocess.run([sys.executable, "-m", "prefect", *words], cwd=PROJECT, check=True)
        for entry in described:
            _send(client, AutomationCore.model_validate(entry))
        if _applied(client) is None:
            client.create_variable(VariableCreate(name=APPLIED, value=digest))
        else:
            client.update_variable(VariableUpdate(name=APPLIED, value=digest))
    return True


def _make_pool(client: SyncPrefectClient, name: str) -> None:
    try:
        client.create_work_pool(WorkPoolCreate(name=name, type="process"))
    except ObjectAlreadyExists:
        return


def _send(client: SyncPrefectClient, automation: AutomationCore) -> None:
    """Create an automation, or change those of its name."""
    known = client.read_automations_by_name(automation.name)
    if not known:
        client.create_automation(automation)
    for each in known:
        client.update_automation(each.id, automation)


def _digest(files: Iterable[Path]) -> str:
    """What the server depends on: the files, the folder that deployments name, and the version of Prefect."""
    content = b"\0".join(file.read_bytes() for file in files)
    return hashlib.sha256(f"{prefect.__version__}\0{PROJECT}\0".encode() + content).hexdigest()


def _applied(client: SyncPrefectClient) -> str | None:
    variable = client.read_variable_by_name(APPLIED)
    return str(variable.value) if variable else None


def prepare_server() -> None:
    """Send what is missing or has changed, and drop the runs that a downtime has left over."""
    deploy()
    with get_client(sync_client=True) as client:
        if dropped := drop_overtaken(client):
            _logger.warning(
                "deleted %d scheduled runs that were due while nothing ran; the newest of each stays", dropped
            )


if __name__ == "__main__":
    prepare_server()
