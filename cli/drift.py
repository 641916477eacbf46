"""The full report on drift: how many columns Evidently finds drifted, and where its pages are."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from tasks.analysis.drift import DriftPages, dashboards
from tasks.state.workspace import current


def show_drift(folder: Path | None) -> None:
    """Draw the pages, and say what is on them."""
    console = Console(highlight=False)
    with console.status("Evidently takes about a minute for a round …"):
        found = dashboards(current(folder))
    console.print(f"Round {found.round} beside what its champion learned from and answered", style="bold")
    console.print(_table(found))
    for name in found.few:
        console.print(f"{name}: too few rows to compare.")
    for page in found.drawn:
        console.print(str(page.path), style="dim", soft_wrap=True)
    if found.logged:
        console.print("They are with the round's run in MLflow, too (folder drift).", style="dim")


def _table(found: DriftPages) -> Table:
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in ("", "rows before", "rows now", "drifted columns"):
        table.add_column(column, justify="right" if column.startswith("rows") else "left")
    for page in found.drawn:
        table.add_row(page.name, f"{page.before:,}", f"{page.now:,}", f"{page.drifted} of {page.columns}")
    return table
