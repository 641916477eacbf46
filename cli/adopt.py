"""`rounds adopt`: join a line of models on a shared MLflow server, begin a new one, or list them."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.app import Folder, Panel, app
from cli.display.console import console, grid
from core.errors import BadParams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.registry.adoption import LineSummary


@app.command(rich_help_panel=Panel.CHAMPION)
def adopt(
    line: Annotated[
        str | None,
        typer.Argument(metavar="[LINE]", help="The line to join. Without it, the server's lines are listed."),
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Begin a line of the workspace's own.")] = False,
    folder: Folder = None,
) -> None:
    """Join a line of models on a shared MLflow server: its champion, versions, round numbers and split."""
    from tasks.registry import adoption
    from tasks.state.choosing import current

    workspace, out = current(folder), console(soft_wrap=True)
    if line and new:
        raise BadParams("a line is either joined or begun; give its name or --new, not both")
    if new:
        out.print(f"{workspace.root} is in the new line {adoption.begin_new(workspace).name}.")
    elif line:
        out.print(f"{workspace.root} is in the line {adoption.adopt(workspace, line).name}.")
    elif lines := adoption.summaries(workspace):
        out.print(_table(lines))
        out.print("Join one with `rounds adopt LINE`; a workspace that joins none begins its own with its first round.")
    else:
        out.print("The server has no lines yet; the first round of a workspace begins one.")


def _table(lines: "Sequence[LineSummary]") -> Table:
    table = grid("line", "round", "champion", "workspaces")
    for line in lines:
        name = f"{line.name} (this workspace's)" if line.current else line.name
        newest = "–" if line.round is None else str(line.round)
        places = "\n".join(f"{place.root} on {place.host}" for place in line.places) or "unknown"
        table.add_row(name, newest, line.champion or "–", places)
    return table
