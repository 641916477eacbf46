"""`rounds backup`: copy database, artifacts and data of a workspace to a folder, as one consistent set."""

from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal

from cli.app import Folder, Panel, app
from cli.display.console import console


@app.command(rich_help_panel=Panel.HISTORY)
def backup(
    into: Annotated[Path, typer.Argument(metavar="INTO", help="A new or empty folder outside the workspace.")],
    earlier: Annotated[
        Path | None,
        typer.Option("--earlier", metavar="DIR", help="An earlier backup: unchanged files become hard links to it."),
    ] = None,
    without_cache: Annotated[
        bool, typer.Option("--without-cache", help="Leave out the DVC cache, if a DVC remote has the data.")
    ] = False,
    wait: Annotated[float, typer.Option("--wait", metavar="SECONDS", min=0, help="Wait for a running round.")] = 0,
    folder: Folder = None,
) -> None:
    """Copy database, artifacts and data to a folder, with a digest of every file; `rounds restore` reads it."""
    from tasks.history.backup.making import backup as save
    from tasks.state.choosing import current

    into = into.resolve()
    made = save(current(folder), into, not without_cache, wait, earlier)
    out = console(soft_wrap=True)
    out.print(f"Saved {len(made.files):,} files, {decimal(made.bytes)}, in {into}.")
    champion = f"policy version {made.champion.version}" if made.champion else "none"
    out.print(f"Last round: {'none' if made.round is None else made.round}; champion: {champion}.")
    for sentence in made.left_out:
        out.print(f"Not in it: {sentence}.", style="yellow")
