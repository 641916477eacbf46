"""`rounds down`: end the services of `rounds up`, from any terminal."""

from cli.app import Folder, Panel, app
from cli.display.console import console


@app.command(rich_help_panel=Panel.SERVICES)
def down(folder: Folder = None) -> None:
    """End the services that `rounds up` has started in the workspace, and wait until all their processes are gone."""
    from tasks.services import record
    from tasks.services.chosen import NAMES
    from tasks.services.supervision import GRACE
    from tasks.state.choosing import current

    workspace, out = current(folder), console()
    ended = record.end(workspace, 2 * GRACE * (len(NAMES) + 1))
    out.print("All services have ended." if ended else f"No services run for {workspace.root}.", soft_wrap=True)
