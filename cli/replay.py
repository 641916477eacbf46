"""`rounds replay`: run a finished round again in a separate folder, and compare the outputs byte by byte."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.app import Folder, LineName, Panel, app
from cli.display.console import console, grid
from cli.display.progress import progress
from core.errors import RoundsError

if TYPE_CHECKING:
    from tasks.history.replay import Replay


class ReplayDiffers(RoundsError):
    """The outputs of a replay differ from those of the round."""


@app.command(rich_help_panel=Panel.HISTORY)
def replay(
    round_name: Annotated[str, typer.Argument(metavar="ROUND", help="A finished round by number, key or run.")],
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="A new or empty folder for the replay.")],
    remote: Annotated[
        str | None, typer.Option("--remote", help="DVC remote, by name or URL. Default: the one of the round.")
    ] = None,
    judge: Annotated[
        bool, typer.Option("--judge", help="Also repeat evaluation and verdict, with the recorded votes.")
    ] = False,
    line: LineName = None,
    folder: Folder = None,
) -> None:
    """Run a finished round again from its MLflow run and the DVC remote, and compare the outputs byte by byte."""
    from tasks.history.replay import replay as run_again
    from tasks.state.choosing import current_or_server
    from tasks.tools.lines import chosen

    out, workspace = console(), current_or_server(folder)
    with progress(out):
        result = run_again(workspace, round_name, into.resolve(), remote, judge, chosen(workspace.root, line))
    out.print(_table(result))
    if result.asked:
        out.print(
            f"The scores of the step policy are those that this server gives now: {result.asked}.", soft_wrap=True
        )
    names = ", ".join(output.what for output in result.differing)
    if names:
        server = ", and the same reward server" if result.asked else ""
        raise ReplayDiffers(
            f"{result.past.name}, replayed in {result.workspace.root}: {names} differ; use the same package "
            "versions (requirements.txt), the same kind of CPU and the same number of threads (OMP_NUM_THREADS)"
            + server
        )
    out.print(f"Identical: {result.past.name}, replayed in {result.workspace.root}.", soft_wrap=True)


def _table(result: Replay) -> Table:
    table = grid("", "then", "now", "")
    for output in result.compared:
        table.add_row(output.what, output.then[:12], output.now[:12], "identical" if output.identical else "differs")
    return table
