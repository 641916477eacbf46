"""`rounds adopt`: join a line of models on a shared server, begin one, or take older versions into the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.app import Folder, Panel, app
from cli.display import person
from cli.display.commands import completed
from cli.display.console import console, counted, grid
from core.errors import BadModel, BadParams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.registry.adoption import LineSummary
    from tasks.state.workspace import Workspace


@app.command(rich_help_panel=Panel.CHAMPION)
def adopt(
    line: Annotated[
        str | None,
        typer.Argument(metavar="[LINE]", help="The line to join. Without any option, the server's lines are listed."),
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Begin a line of the workspace's own.")] = False,
    reason: Annotated[
        str | None,
        typer.Option(
            "--reason",
            help="Take versions that the audit log does not know into the log, with the digests of their files.",
        ),
    ] = None,
    folder: Folder = None,
) -> None:
    """Join a line of models on a shared MLflow server, or take versions of older releases into the audit log."""
    from tasks.registry import adoption
    from tasks.state.choosing import current

    workspace, out = current(folder), console(soft_wrap=True)
    if line and new:
        raise BadParams("a line is either joined or begun; give its name or --new, not both")
    if new:
        out.print(f"{workspace.root} is in the new line {adoption.begin_new(workspace).name}.")
    elif line:
        out.print(f"{workspace.root} is in the line {adoption.adopt(workspace, line).name}.")
    if reason is not None:
        _take_in(out, workspace, reason)
    elif not (line or new):
        _list(out, adoption.summaries(workspace))


def _take_in(out: Console, workspace: Workspace, reason: str) -> None:
    from tasks.registry import unlogged
    from tasks.registry.alias import Registry

    taken = unlogged.take_in(workspace, Registry(workspace.root), reason, person.name())
    for version in taken.versions:
        out.print(f"{version.name} version {version.version}, round {version.round}: {version.digest[:16]}…")
    out.print(f"Took {counted(len(taken.versions), 'version')} into {workspace.audit}.")
    if taken.refused:
        raise BadModel("\n".join(taken.refused))


def _list(out: Console, lines: Sequence[LineSummary]) -> None:
    if not lines:
        out.print("The server has no lines yet; the first round of a workspace begins one.")
        return
    out.print(_table(lines))
    text = "Join one with `rounds adopt LINE`; a workspace that joins none begins its own with its first round."
    out.print(completed(text))


def _table(lines: Sequence[LineSummary]) -> Table:
    table = grid("line", "round", "champion", "workspaces")
    for line in lines:
        name = f"{line.name} (this workspace's)" if line.current else line.name
        newest = "–" if line.round is None else str(line.round)
        places = "\n".join(f"{place.root} on {place.host}" for place in line.places) or "unknown"
        table.add_row(name, newest, line.champion or "–", places)
    return table
