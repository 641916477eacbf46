"""Rollback: an earlier version of the policy becomes champion again. Feedback and workspace stay where they are."""

import getpass
from pathlib import Path

from prefect import flow
from rich.console import Console

from flows.server import configured
from tasks.events import rolled_back
from tasks.registry import Registry
from tasks.workspace import current


@flow(name="rollback", validate_parameters=False)
def rollback(reason: str, to: str | None = None, workspace: str | None = None, who: str = "prefect") -> str:
    """Move the alias back, as a deployment that the Prefect UI can start; returns the version that is champion now."""
    place = current(Path(workspace) if workspace else None)
    moved = Registry(place.root).rollback(to, reason, who)
    if configured():
        rolled_back(place, moved.left.version, moved.now.version, reason)
    return moved.now.version


def run_rollback(folder: Path | None, to: str | None, reason: str) -> None:
    """The same from the command line, without Prefect: in an emergency nothing has to be started first."""
    left, now = Registry(current(folder).root).rollback(to, reason, getpass.getuser())
    if left == now:
        Console().print(f"policy@champion is version {now.version} already.")
        return
    said = f"policy@champion is version {now.version} now. Version {left.version} is not promoted again by a schedule,"
    Console().print(f"{said} and no round promotes for a while: `python -m flows cooldown`.", soft_wrap=True)
