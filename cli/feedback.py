"""`rounds feedback`: records are on disk before the command returns; enough of them start a round."""

from pathlib import Path
from typing import Annotated

import typer

from cli.app import Folder, Panel, app
from cli.display.console import console


@app.command(rich_help_panel=Panel.FEEDBACK)
def feedback(
    files: Annotated[list[Path], typer.Argument(help="JSON lines in the canonical form (docs/feedback.md).")],
    workspace: Folder = None,
) -> None:
    """Hand in feedback; enough of it starts a round where a deployment watches."""
    from tasks.state import intake
    from tasks.state.workspace import current_or_new
    from tasks.tools.events import configured, send_feedback_ready

    place, out = current_or_new(workspace), console()
    intake.hand_in(place, files)
    waiting = intake.count(place)
    counted = f"{waiting.records} records wait in {place.inbox}"
    out.print(f"{counted}; a round starts by itself at {waiting.threshold}.", soft_wrap=True)
    if waiting.enough and configured() and send_feedback_ready(place, *waiting):
        out.print("The Prefect server was told that a round can start.")
