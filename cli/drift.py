"""`rounds drift`: the full drift report; prints how many columns drifted by Evidently, and the paths of its pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from cli.app import Folder, Panel, app
from cli.display.console import console

if TYPE_CHECKING:
    from tasks.analysis.drift import DriftPages


@app.command(rich_help_panel=Panel.ANALYSIS)
def drift(folder: Folder = None) -> None:
    """Compare each column of the newest round's prompts, votes and answers with the champion's (extra `reports`)."""
    from tasks.analysis.drift import dashboards
    from tasks.state.choosing import current

    out = console()
    with out.status("Evidently takes about a minute per round …"):
        report = dashboards(current(folder))
    out.print(f"Round {report.round}, compared with the training data and answers of its champion", style="bold")
    out.print(_table(report))
    for name in report.few:
        out.print(f"{name}: too few rows to compare.")
    for page in report.drawn:
        out.print(str(page.path), style="dim", soft_wrap=True)
    if report.logged:
        out.print("The pages are also logged to the MLflow run of the round (folder drift).", style="dim")


def _table(report: DriftPages) -> Table:
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in ("", "rows before", "rows now", "drifted columns"):
        table.add_column(column, justify="right" if column.startswith("rows") else "left")
    for page in report.drawn:
        table.add_row(page.name, f"{page.before:,}", f"{page.now:,}", f"{page.drifted} of {page.columns}")
    return table
