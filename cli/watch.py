"""`rounds watch`: check live feedback on the champion and the drift of new feedback, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from cli.app import Folder, Panel, app
from cli.display.commands import completed
from cli.display.console import console, grid

if TYPE_CHECKING:
    from tasks.watch.drift import InboxDriftReport


@app.command(rich_help_panel=Panel.CHAMPION)
def watch(folder: Folder = None) -> None:
    """Check live feedback on the champion, and drift. A breached guard rolls the champion back; nothing is trained."""
    from tasks.state.choosing import current
    from tasks.watch.watch import watch

    report, out = watch(current(folder)), console()
    out.print(report.title, style="bold red" if report.alarms else "bold")
    for finding in report.guards.found:
        out.print(f"{finding.guard:<11} {finding.said}", style="red" if finding.breached else None, soft_wrap=True)
    if report.drift.decided:
        out.print(_table(report.drift))
    for alarm in report.alarms:
        out.print(completed(f"ALARM {alarm}"), style="red", soft_wrap=True)


def _table(drift: InboxDriftReport) -> Table:
    table = grid("check", "effect", "limit", "p", "result")
    for check, p, alarm in drift.decided:
        row = (check.name, f"{check.effect:.3g}", f"{check.limit:.3g}", f"{p:.2g}", check.said)
        table.add_row(*row, style="red" if alarm else None)
    return table
