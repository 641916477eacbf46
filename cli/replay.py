"""`rounds replay`: a finished round run again in a folder of its own, and compared with what was registered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.app import Folder, Panel, app
from cli.display.console import console, grid
from cli.display.progress import progress
from core.errors import RoundsError

if TYPE_CHECKING:
    from tasks.history.replay import Replay


class ReplayDiffers(RoundsError):
    """A replay did not give the same bytes."""


@app.command(rich_help_panel=Panel.HISTORY)
def replay(
    asked: Annotated[str, typer.Argument(metavar="ROUND", help="A finished round by number, key or run.")],
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="An empty or missing folder.")],
    remote: Annotated[
        str | None, typer.Option("--remote", help="DVC remote, by name or address. Default: the round's own.")
    ] = None,
    judge: Annotated[
        bool, typer.Option("--judge", help="Also evaluate and decide again, on the votes that were cast.")
    ] = False,
    workspace: Folder = None,
) -> None:
    """Run a finished round again, from its MLflow run and the DVC remote, and compare every byte."""
    from tasks.history.replay import replay as run_again
    from tasks.state.workspace import current_or_new

    out = console()
    with progress(out):
        done = run_again(current_or_new(workspace), asked, into.resolve(), remote, judge)
    out.print(_table(done))
    names = ", ".join(one.what for one in done.differing)
    if names:
        raise ReplayDiffers(
            f"{done.past.name}, replayed in {done.place.root}: {names} came out otherwise. It takes the same "
            "packages (requirements.txt), the same kind of CPU and the same number of threads (OMP_NUM_THREADS)"
        )
    out.print(f"Identical: {done.past.name}, replayed in {done.place.root}.", soft_wrap=True)


def _table(done: Replay) -> Table:
    table = grid("", "then", "now", "")
    for one in done.compared:
        table.add_row(one.what, one.then[:12], one.now[:12], "identical" if one.identical else "differs")
    return table
