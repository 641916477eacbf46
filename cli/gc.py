"""`rounds gc`: remove data from the DVC cache, and base models, that no registered version needs."""

from typing import Annotated

import typer
from rich.filesize import decimal

from cli.app import Folder, Panel, app
from cli.display.commands import completed
from cli.display.console import console


@app.command(rich_help_panel=Panel.HISTORY)
def gc(
    yes: Annotated[
        bool, typer.Option("--yes/--dry-run", help="Remove the files; by default they are only listed.")
    ] = False,
    folder: Folder = None,
) -> None:
    """Remove cached data and base models that neither a registered version nor the workspace needs; never feedback."""
    from tasks.history.gc import garbage, sweep
    from tasks.state.choosing import current

    workspace, out = current(folder), console()
    unneeded = sweep(workspace) if yes else garbage(workspace)
    for file in unneeded.files:
        out.print(f"{decimal(file.stat().st_size) if file.exists() else 'removed':>10}  {file}", soft_wrap=True)
    for base in unneeded.bases:
        out.print(
            f"{'removed' if yes else decimal(base.bytes):>10}  base model {base.label} ({base.digest})", soft_wrap=True
        )
    size = f"{len(unneeded.files)} objects, {decimal(unneeded.bytes)}"
    if unneeded.bases:
        size += f", and {len(unneeded.bases)} base models, {decimal(sum(base.bytes for base in unneeded.bases))}"
    for line in unneeded.prompts.sentences:
        out.print(completed(line), soft_wrap=True)
    if yes:
        out.print(f"Removed {size}; {unneeded.kept} are needed.")
    elif unneeded.files or unneeded.bases or unneeded.prompts.any:
        out.print(f"{size} can be removed, {unneeded.kept} are needed; use --yes to remove them.")
    else:
        out.print(f"Nothing can be removed: all {unneeded.kept} objects are needed.")
