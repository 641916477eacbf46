"""Rollback: an earlier version of the policy becomes champion again. Feedback and workspace stay where they are."""

import getpass
from pathlib import Path

from prefect import flow
from rich.console import Console

from tasks.registry import Registry
from tasks.workspace import Workspace, current


@flow(name="rollback", validate_parameters=False)
def rollback(reason: str, to: str | None = None, workspace: str | None = None, who: str = "prefect") -> str:
    """Move the alias back, as a deployment that the Prefect UI can start; returns the version that is champion now."""
    return _roll(current(Path(workspace) if workspace else None), to, reason, who)


def run_rollback(folder: Path | None, to: str | None, reason: str) -> None:
    """The same from the command line, without Prefect: in an emergency nothing has to be started first."""
    place = current(folder)
    now = _roll(place, to, reason, getpass.getuser())
    Console().print(f"policy@champion is version {now} now. The version left is not promoted again by a schedule.")


def _roll(place: Workspace, to: str | None, reason: str, who: str) -> str:
    return Registry(place.root).rollback(to, reason, who).now.version
