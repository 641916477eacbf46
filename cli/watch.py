"""`rounds watch`: one look at the champion in use and at the feedback that waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from cli.app import Folder, Panel, app
from cli.display.console import console, grid

if TYPE_CHECKING:
    from tasks.watch.watching import WatchReport


@app.command(rich_help_panel=Panel.CHAMPION)
def watch(workspace: Folder = None) -> None:
    """Look at live feedback on the champion, rolling it back where a guard says so, and at drift; trains nothing."""
    from tasks.state.workspace import current
    from tasks.watch import watched

    found, out = watched.watch(current(workspace)), console()
    out.print(found.title, style="bold red" if found.alarms else "bold")
    for one in found.guarded.found:
        out.print(f"{one.guard:<11} {one.said}", style="red" if one.breached else None, soft_wrap=True)
    if found.seen.decided:
        out.print(_table(found.seen))
    for alarm in found.alarms:
        out.print(f"ALARM {alarm}", style="red", soft_wrap=True)


def _table(seen: WatchReport) -> Table:
    table = grid("compared", "effect", "limit", "p", "found")
    for check, p, alarm in seen.decided:
        row = (check.name, f"{check.effect:.3g}", f"{check.limit:.3g}", f"{p:.2g}", check.said)
        table.add_row(*row, style="red" if alarm else None)
    return table
