"""`rounds feedback`: add records to the inbox. They are on disk before the command returns."""

from pathlib import Path
from typing import Annotated

import typer

from cli.app import Folder, Panel, app
from cli.display.console import console


@app.command(rich_help_panel=Panel.FEEDBACK)
def feedback(
    files: Annotated[list[Path], typer.Argument(help="JSON lines in the canonical form (docs/feedback.md).")],
    folder: Folder = None,
) -> None:
    """Add feedback to the inbox. With enough records, a Prefect deployment starts a round."""
    from tasks.state import intake
    from tasks.state.workspace import current_or_planned
    from tasks.tools.events import configured, send_feedback_ready

    workspace, out = current_or_planned(folder), console()
    intake.hand_in(workspace, files)
    waiting = intake.count(workspace)
    counted = f"{waiting.records} records wait in {workspace.inbox}"
    out.print(f"{counted}; a deployment starts a round at {waiting.threshold}.", soft_wrap=True)
    if waiting.enough and configured() and send_feedback_ready(workspace, *waiting):
        out.print("Notified the Prefect server that a round can start.")
