"""Rollback: an earlier version of the policy becomes champion again. Feedback and workspace stay where they are."""

from pathlib import Path

from prefect import flow

from core.proxies import exempt_loopback
from tasks.registry.alias import Registry
from tasks.state.workspace import current
from tasks.tools.events import configured, send_rollback


@flow(name="rollback", validate_parameters=False)
def rollback(reason: str, to: str | None = None, workspace: str | None = None, who: str = "prefect") -> str:
    """Move the alias back, as a deployment that the Prefect UI can start; returns the version that is champion now."""
    exempt_loopback()
    place = current(Path(workspace) if workspace else None)
    moved = Registry(place.root).rollback(to, reason, who)
    if configured() and moved.left != moved.now:
        send_rollback(place, moved.left.version, moved.now.version, reason)
    return moved.now.version
