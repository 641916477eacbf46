"""`rounds down`: end the services of `rounds up`, from any terminal."""

from cli.app import Folder, Panel, app
from cli.display.console import console

PATIENCE = 120.0
"""Seconds to wait: longer than all services together may take."""


@app.command(rich_help_panel=Panel.SERVICES)
def down(folder: Folder = None) -> None:
    """End the services that `rounds up` has started in the workspace, and wait until all their processes are gone."""
    from tasks.services import record
    from tasks.state.choosing import current

    workspace, out = current(folder), console()
    ended = record.end(workspace, PATIENCE)
    out.print("All services have ended." if ended else f"No services run for {workspace.root}.", soft_wrap=True)
