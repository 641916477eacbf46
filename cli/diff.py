"""`rounds diff`: the differences between two rounds, as one table."""

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from cli.app import Folder, Json, Panel, app
from cli.display.console import as_json, console, plain

if TYPE_CHECKING:
    from tasks.history.diff import Disagreement

SECTIONS = ("verdict", "code", "params", "inputs", "data", "metrics")
"""In the order of the table: likely causes first."""

_HASH = re.compile(r"\b[0-9a-f]{32,}\b")
"""Shown by its first 12 digits; `--json` has all of them."""


@app.command(rich_help_panel=Panel.HISTORY)
def diff(
    first_name: Annotated[str, typer.Argument(metavar="ROUND", help="A round by number, key or run.")],
    second_name: Annotated[str, typer.Argument(metavar="OTHER", help="The round to compare it with.")],
    json: Json = False,
    folder: Folder = None,
) -> None:
    """Show the differences between two rounds: verdict, code, parameters, inputs, data, metrics."""
    from tasks.history.diff import difference
    from tasks.registry.archive import Archive
    from tasks.state.choosing import current_or_server

    archive = Archive(current_or_server(folder).root)
    first, second = archive.finished(first_name), archive.finished(second_name)
    with archive.saved(first) as old, archive.saved(second) as new:
        changes = difference((first, old), (second, new))
    if json:
        print(as_json(changes.to_json()))
    else:
        _show(changes)


def _show(changes: "Disagreement") -> None:
    out = console()
    out.print(_table(changes))
    same = [section for section in SECTIONS if not changes.section(section)]
    if same:
        out.print(f"The same in both: {', '.join(same)}.")


def _table(changes: "Disagreement") -> Table:
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    for past in changes.rounds:
        table.add_column(f"round {past.round}", overflow="fold")
    for section in (section for section in SECTIONS if changes.section(section)):
        table.add_row(plain(section, style="bold"))
        for name, (old, new) in changes.section(section).items():
            table.add_row(f"  {name}", _shown(old), _shown(new, old))
    return table


def _shown(value: Any, before: Any = None) -> str:
    """A value; for a number, also its difference from the one before."""
    if value is None:
        return "–"
    if isinstance(value, float) and isinstance(before, float):
        return f"{value:.6g} ({value - before:+.3g})"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return _HASH.sub(lambda match: f"{match[0][:12]}…", value)
    return as_json(value, indent=None)
