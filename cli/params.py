"""The knobs of the next round, printed with where each value comes from; and params.yaml made short."""

import difflib
import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.errors import BadParams
from tasks.rounds.origins import Knob, origins
from tasks.rounds.tidy import tidy
from tasks.state.workspace import current


def show_params(
    folder: Path | None, section: str | None, overrides: Sequence[str], changed: bool, as_json: bool
) -> None:
    """Print the effective values of all knobs, of a section, or of those that are not at their default."""
    knobs = _under(origins(current(folder), overrides), section)
    knobs = [knob for knob in knobs if knob.changed or not changed]
    if as_json:
        print(json.dumps([knob._asdict() for knob in knobs], indent=2, ensure_ascii=False))
    elif knobs:
        Console(highlight=False).print(_table(knobs))
    else:
        print("Every value is the default.")


def tidy_params(folder: Path | None) -> None:
    """Remove from params.yaml what equals the defaults, and say what was removed."""
    workspace = current(folder)
    removed, backup = tidy(workspace)
    if backup is None:
        print(f"{workspace.params} repeats no default; nothing was changed.")
        return
    print(f"Removed from {workspace.params}, because it equals the default:")
    for name in removed:
        print(f"  {name}")
    print(f"{len(removed)} in all. The file as it was: {backup}")


def _under(knobs: Sequence[Knob], section: str | None) -> list[Knob]:
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


def _groups(knobs: Sequence[Knob]) -> list[str]:
    parts = [knob.name.split(".") for knob in knobs]
    return list(dict.fromkeys(".".join(words[:end]) for words in parts for end in range(1, len(words) + 1)))


def _table(knobs: Sequence[Knob]) -> Table:
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    table.add_column("knob", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("from", overflow="fold")
    for knob in knobs:
        value = knob.value if isinstance(knob.value, str) else json.dumps(knob.value, ensure_ascii=False)
        style = "bold" if knob.changed else ""
        table.add_row(Text(knob.name, style=style), Text(value, style=style), Text(knob.origin))
    return table
