"""`rounds gc`: frees the DVC cache of data that no registered version needs."""

from typing import Annotated

import typer
from rich.filesize import decimal

from cli.app import Folder, Panel, app
from cli.display.console import console


@app.command(rich_help_panel=Panel.HISTORY)
def gc(
    yes: Annotated[bool, typer.Option("--yes/--dry-run", help="Remove it; by default it is only shown.")] = False,
    workspace: Folder = None,
) -> None:
    """Free the DVC cache of what neither a registered version nor the workspace needs. Feedback stays."""
    from tasks.history.gc import garbage, sweep
    from tasks.state.workspace import current

    place, out = current(workspace), console()
    found = sweep(place) if yes else garbage(place)
    for file in found.files:
        out.print(f"{decimal(file.stat().st_size) if file.exists() else 'removed':>10}  {file}", soft_wrap=True)
    what = f"{len(found.files)} objects, {decimal(found.bytes)}"
    if yes:
        out.print(f"Removed {what}; {found.kept} stay.")
    else:
        out.print(f"{what} could go, {found.kept} stay; `--yes` removes them.")
