"""`rounds restore`: make a workspace of a backup, after checking every file of it."""

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from cli.app import Folder, Panel, app
from cli.display.console import console


@app.command(rich_help_panel=Panel.HISTORY)
def restore(
    source: Annotated[Path, typer.Argument(metavar="FROM", help="A folder that `rounds backup` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Move an existing workspace aside, to a folder beside it.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Only check the files of the backup; write nothing.")
    ] = False,
    folder: Folder = None,
) -> None:
    """Make a workspace of a backup, at any path; no file is written before all of the backup is checked."""
    from tasks.history.backup import manifest
    from tasks.history.backup.restoring import restore as bring_back
    from tasks.state.choosing import current_or_planned

    out, source = console(soft_wrap=True), source.resolve()
    if verify:
        checked = manifest.verify(source)
        out.print(f"{source}: all {len(checked.files):,} files are as they were saved at {checked.made}.")
        return
    restored = bring_back(source, current_or_planned(folder).root, replace)
    root = restored.workspace.root
    out.print(f"Restored {restored.manifest.name} as it was at {restored.manifest.made} to {root}.")
    if restored.replaced:
        out.print(f"The workspace that was there is now {restored.replaced}; remove it when it is not needed.")
    out.print(f"See `rounds status -w {quote(str(root))}`.")
