"""`rounds diff`: what differed between two rounds, as one table."""

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from cli.app import Folder, Json, Panel, app
from cli.display.console import as_json, console, plain

if TYPE_CHECKING:
    from tasks.history.diff import Difference

SECTIONS = ("verdict", "code", "params", "inputs", "data", "metrics")
"""In the order in which a person looks for a reason."""

_HASH = re.compile(r"\b[0-9a-f]{32,}\b")
"""Shown by its first digits; `--json` has it whole."""


@app.command(rich_help_panel=Panel.HISTORY)
def diff(
    one: Annotated[str, typer.Argument(metavar="ROUND", help="A round by number, key or run.")],
    two: Annotated[str, typer.Argument(metavar="OTHER", help="The round to compare it with.")],
    json: Json = False,
    workspace: Folder = None,
) -> None:
    """Show what differed between two rounds: verdict, code, parameters, inputs, data, metrics."""
    from tasks.history.diff import difference
    from tasks.registry.archive import Archive
    from tasks.state.workspace import current_or_new

    archive = Archive(current_or_new(workspace).root)
    first, second = archive.finished(one), archive.finished(two)
    with archive.saved(first) as old, archive.saved(second) as new:
        differing = difference((first, old), (second, new))
    if json:
        print(as_json(differing.to_json()))
    else:
        _show(differing)


def _show(differing: "Difference") -> None:
    out = console()
    out.print(_table(differing))
    same = [section for section in SECTIONS if not differing.section(section)]
    if same:
        out.print(f"The same in both: {', '.join(same)}.")


def _table(differing: "Difference") -> Table:
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    for past in differing.rounds:
        table.add_column(f"round {past.round}", overflow="fold")
    for section in (section for section in SECTIONS if differing.section(section)):
        table.add_row(plain(section, style="bold"))
        for name, (old, new) in differing.section(section).items():
            table.add_row(f"  {name}", _shown(old), _shown(new, old))
    return table


def _shown(value: Any, before: Any = None) -> str:
    """A value; a number with its difference from the one before."""
    if value is None:
        return "–"
    if isinstance(value, float) and isinstance(before, float):
        return f"{value:.6g} ({value - before:+.3g})"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return _HASH.sub(lambda match: f"{match[0][:12]}…", value)
    return as_json(value, indent=None)
