"""Rollback: make an earlier version of the policy champion again. Feedback and workspace do not change."""

from pathlib import Path

from prefect import flow
from prefect.runtime import flow_run

from core.process import prepare
from flows.orchestration.title import name_run
from tasks.registry.alias import Registry
from tasks.state.choosing import current
from tasks.tools import lines
from tasks.tools.events import send_rollback
from tasks.tools.prefect_api import configured


def _name() -> str:
    to = flow_run.parameters.get("to")
    return f"rollback to {to}" if to else "rollback"


@flow(name="rollback", flow_run_name=_name, validate_parameters=False)
def rollback(
    reason: str,
    to: str | None = None,
    workspace: str | None = None,
    who: str = "prefect",
    line: str | None = None,
) -> str:
    """Make an earlier version of the policy champion again; serving follows within seconds.

    The same request made twice counts once: nothing is changed if the champion was just rolled back for this reason.

    Args:
        reason: Why, for the audit log and for whoever asks why the version is not promoted again.
        to: Version to go back to; empty for the one that the champion replaced.
        workspace: Folder of the workspace; empty for the one that the worker serves.
        who: Your name, for the audit log.
        line: Name of the line; needed only if the workspace is in no line of the MLflow server, and that has several.

    Returns:
        the version that is champion now.

    Raises:
        AliasConflict: there is no version to go back to, or it was rolled back itself, or was never champion.
        BadParams: the reason is empty.
        NotFound: there is no version `to`.
    """
    prepare()
    target = current(Path(workspace) if workspace else None)
    registry = Registry(target.root, lines.chosen(target.root, line))
    moved = registry.rollback(_version(to), reason, who, once=True)
    if moved.left == moved.now:
        name_run(f"rollback to {moved.now.version}: it is champion already")
        return moved.now.version
    name_run(f"rollback to {moved.now.version}")
    if configured():
        send_rollback(target, moved.left.version, moved.now.version, reason)
    return moved.now.version


def _version(typed: str | int | None) -> str | None:
    """A version as the registry has it: a form in the UI may send an empty text, a command line a number."""
    return str(typed).strip() or None if typed is not None else None
