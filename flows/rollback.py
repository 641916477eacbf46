"""Rollback: make an earlier version of the policy champion again. Feedback and workspace do not change."""

from pathlib import Path

from prefect import flow

from core.process import prepare
from tasks.registry.alias import Registry
from tasks.state.choosing import current
from tasks.tools import lines
from tasks.tools.events import configured, send_rollback


@flow(name="rollback", validate_parameters=False)
def rollback(
    reason: str, to: str | None = None, workspace: str | None = None, who: str = "prefect", line: str | None = None
) -> str:
    """Roll back, as a deployment that can be started in the Prefect UI; returns the new champion's version.

    `line` is needed only if the workspace is in no line of the MLflow server, and that has several.
    """
    prepare()
    target = current(Path(workspace) if workspace else None)
    moved = Registry(target.root, lines.chosen(target.root, line)).rollback(to, reason, who)
    if configured() and moved.left != moved.now:
        send_rollback(target, moved.left.version, moved.now.version, reason)
    return moved.now.version
