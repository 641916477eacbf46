"""Free the disk of cached data that no registered version needs."""

from pathlib import Path

from rich.console import Console
from rich.filesize import decimal

from tasks.history.gc import garbage, sweep
from tasks.state.workspace import current


def tidy(folder: Path | None, yes: bool) -> None:
    """Print what the cache could lose; with `yes`, remove it."""
    workspace, console = current(folder), Console(highlight=False)
    found = sweep(workspace) if yes else garbage(workspace)
    for file in found.files:
        console.print(f"{decimal(file.stat().st_size) if file.exists() else 'removed':>10}  {file}", soft_wrap=True)
    what = f"{len(found.files)} objects, {decimal(found.bytes)}"
    if yes:
        console.print(f"Removed {what}; {found.kept} stay.")
    else:
        console.print(f"{what} could go, {found.kept} stay; `--yes` removes them.")
