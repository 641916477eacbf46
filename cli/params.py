"""`rounds params`: the value of every knob for the next round and its origin; `--tidy` shortens params.yaml."""

import difflib
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.app import Folder, Json, Overrides, Panel, app
from cli.display.console import as_json, console, plain, print_json
from core.errors import BadParams

if TYPE_CHECKING:
    from tasks.rounds.origins import Knob
    from tasks.state.workspace import Workspace


SCREEN = 16
"""Maximum number of lines for the names of removed values."""


@app.command(rich_help_panel=Panel.ROUNDS)
def params(
    section: Annotated[
        str | None, typer.Argument(metavar="[SECTION]", help="Only this section, group or knob, e.g. policy.kl.")
    ] = None,
    overrides: Overrides = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only values that are not the default.")] = False,
    tidy: Annotated[
        bool, typer.Option("--tidy", help="Remove defaults from params.yaml; keeps a backup of the file.")
    ] = False,
    json: Json = False,
    folder: Folder = None,
) -> None:
    """Show the value of every knob for the next round, and where it comes from."""
    from tasks.rounds.origins import origins
    from tasks.state.choosing import current

    if tidy:
        if section or changed or json or overrides:
            raise BadParams("--tidy takes no section and no other option than --workspace; leave them out")
        _tidy(current(folder))
        return
    knobs = _under(origins(current(folder), overrides or []), section)
    knobs = [knob for knob in knobs if knob.changed or not changed]
    if json:
        print_json([knob._asdict() for knob in knobs])
    elif knobs:
        console().print(_table(knobs))
    else:
        console().print(f"No value{f' of {section}' if section else ''} differs from its default.", soft_wrap=True)


def _tidy(workspace: "Workspace") -> None:
    """Remove values equal to the default from params.yaml; print how many, their names, and where the backup is."""
    from tasks.rounds.tidy import tidy

    out = console()
    removed, backup = tidy(workspace)
    if backup is None:
        out.print(f"{workspace.params} has no values equal to the default; nothing was changed.", soft_wrap=True)
        return
    out.print(f"Removed {len(removed)} values equal to the default from {workspace.params}:", soft_wrap=True)
    out.print("\n".join(_wrapped(removed, out.width)), soft_wrap=True)
    out.print(f"Backup of the file: {backup}", soft_wrap=True)


def _wrapped(names: Sequence[str], width: int) -> list[str]:
    """The names as lines of `width` characters; at most `SCREEN` lines, the last of which counts the names left out."""
    lines = _lines(names, width)
    shown = len(names)
    while len(lines) > SCREEN:
        shown -= 1
        lines = _lines([*names[:shown], f"and {len(names) - shown} more, see the backup"], width)
    return lines


def _lines(names: Sequence[str], width: int) -> list[str]:
    return textwrap.wrap(", ".join(names), width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def _under(knobs: "Sequence[Knob]", section: str | None) -> "list[Knob]":
    """The knobs of a section, or of a group in one.

    Raises:
        BadParams: there is no such section, group or knob.
    """
    if section is None:
        return list(knobs)
    selected = [knob for knob in knobs if f"{knob.name}.".startswith(f"{section}.")]
    if not selected:
        close = difflib.get_close_matches(section, _groups(knobs), n=1)
        cure = f"did you mean {close[0]!r}?" if close else "run `rounds params` for the full list"
        raise BadParams(f"there is no section or knob {section!r}; {cure}")
    return selected


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
