"""`rounds audit`: check that no line of the audit log was changed, removed or moved."""

from typing import Annotated, Literal

import typer

from cli.app import Folder, Panel, app
from cli.display.console import console
from core.errors import Damaged


@app.command(rich_help_panel=Panel.HISTORY)
def audit(
    action: Annotated[Literal["verify"], typer.Argument(help="verify: check every line of the log.")] = "verify",
    folder: Folder = None,
) -> None:
    """Verify the audit log of promotions, rollbacks, withdrawals, approvals and incidents."""
    from tasks.registry import audit as log
    from tasks.state.choosing import current

    workspace = current(folder)
    if problems := log.verify(workspace.audit) + log.missing(workspace):
        cure = "restore the file and its .head from a backup; see also the MLflow experiment `promotions`"
        raise Damaged("\n".join([*problems, cure]))
    lines = len(log.read(workspace.audit))
    state = f"{lines} lines, verified" if lines else "no lines, and no round has promoted a version"
    console().print(f"{workspace.audit}: {state}.", soft_wrap=True)
