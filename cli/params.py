"""`rounds params`: the knobs of the next round with where each value comes from; and params.yaml made short."""

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.app import Folder, Json, Overrides, Panel, app
from cli.display.console import as_json, console, plain
from core.errors import BadParams

if TYPE_CHECKING:
    from tasks.rounds.origins import Knob
    from tasks.state.workspace import Workspace


@app.command(rich_help_panel=Panel.ROUNDS)
def params(
    section: Annotated[
        str | None, typer.Argument(metavar="[SECTION]", help="Only this section, group or knob, e.g. policy.kl.")
    ] = None,
    overrides: Overrides = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only values that are not the default.")] = False,
    tidy: Annotated[
        bool, typer.Option("--tidy", help="Remove from params.yaml what equals the defaults; keeps a copy of the file.")
    ] = False,
    json: Json = False,
    workspace: Folder = None,
) -> None:
    """Show the value of every knob for the next round, and where it comes from."""
    from tasks.rounds.origins import origins
    from tasks.state.workspace import current

    if tidy:
        _tidy(current(workspace))
        return
    knobs = _under(origins(current(workspace), overrides or []), section)
    knobs = [knob for knob in knobs if knob.changed or not changed]
    if json:
        print(as_json([knob._asdict() for knob in knobs]))
    elif knobs:
        console().print(_table(knobs))
    else:
        print("Every value is the default.")


def _tidy(workspace: "Workspace") -> None:
    """Remove from params.yaml what equals the defaults, and print what was removed."""
    from tasks.rounds.tidy import tidy

    removed, backup = tidy(workspace)
    if backup is None:
        print(f"{workspace.params} repeats no default; nothing was changed.")
        return
    print(f"Removed from {workspace.params}, because it equals the default:")
    for name in removed:
        print(f"  {name}")
    print(f"{len(removed)} in all. The file as it was: {backup}")


def _under(knobs: "Sequence[Knob]", section: str | None) -> "list[Knob]":
    """The knobs of a section, or of a group in one.

    Raises:
        BadParams: there is none of that name.
    """
    if section is None:
        return list(knobs)
    found = [knob for knob in knobs if f"{knob.name}.".startswith(f"{section}.")]
    if not found:
        close = difflib.get_close_matches(section, _groups(knobs), n=1)
        cure = f"did you mean {close[0]!r}?" if close else "`rounds params` lists all"
        raise BadParams(f"there is no section or knob {section!r}; {cure}")
    return found


def _groups(knobs: "Sequence[Knob]") -> list[str]:
    parts = [knob.name.split(".") for knob in knobs]
    return list(dict.fromkeys(".".join(words[:end]) for words in parts for end in range(1, len(words) + 1)))


def _table(knobs: "Sequence[Knob]") -> Table:
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    table.add_column("knob", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("from", overflow="fold")
    for knob in knobs:
        value = knob.value if isinstance(knob.value, str) else as_json(knob.value, indent=None)
        style = "bold" if knob.changed else ""
        table.add_row(plain(knob.name, style), plain(value, style), plain(knob.origin))
    return table
