"""`rounds audit verify`: is every line of the audit log as it was written, none missing, none moved?"""

from typing import Annotated, Literal

import typer

from cli.app import Folder, Panel, app
from cli.display.console import console
from core.errors import Damaged


@app.command(rich_help_panel=Panel.HISTORY)
def audit(
    action: Annotated[Literal["verify"], typer.Argument(help="verify: is every line as it was written?")],
    workspace: Folder = None,
) -> None:
    """Check the log of every promotion, rollback, withdrawal and incident."""
    from tasks.registry import audit as log
    from tasks.state.workspace import current

    place = current(workspace)
    if problems := log.verify(place.audit) + log.missing(place):
        cure = "restore the file and its .head from a backup; MLflow's experiment `promotions` knows each move as well"
        raise Damaged("\n".join([*problems, cure]))
    lines = len(log.read(place.audit))
    found = f"{lines} lines, each as it was written" if lines else "no line so far, and no round that promoted"
    console().print(f"{place.audit}: {found}.", soft_wrap=True)
