"""`rounds drift`: the full report on drift; how many columns Evidently finds drifted, and where its pages are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from cli.app import Folder, Panel, app
from cli.display.console import console

if TYPE_CHECKING:
    from tasks.analysis.drift import DriftPages


@app.command(rich_help_panel=Panel.ANALYSIS)
def drift(workspace: Folder = None) -> None:
    """Draw every column of the newest round's prompts, votes and answers beside the champion's (extra `reports`)."""
    from tasks.analysis.drift import dashboards
    from tasks.state.workspace import current

    out = console()
    with out.status("Evidently takes about a minute for a round …"):
        found = dashboards(current(workspace))
    out.print(f"Round {found.round} beside what its champion learned from and answered", style="bold")
    out.print(_table(found))
    for name in found.few:
        out.print(f"{name}: too few rows to compare.")
    for page in found.drawn:
        out.print(str(page.path), style="dim", soft_wrap=True)
    if found.logged:
        out.print("They are with the round's run in MLflow, too (folder drift).", style="dim")


def _table(found: DriftPages) -> Table:
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in ("", "rows before", "rows now", "drifted columns"):
        table.add_column(column, justify="right" if column.startswith("rows") else "left")
    for page in found.drawn:
        table.add_row(page.name, f"{page.before:,}", f"{page.now:,}", f"{page.drifted} of {page.columns}")
    return table
