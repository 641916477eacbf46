"""What differed between two rounds, printed as one table."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tasks.history.diff import difference
from tasks.registry.archive import Archive
from tasks.state.workspace import current_or_new

SECTIONS = ("verdict", "code", "params", "inputs", "data", "metrics")
"""In the order in which a person looks for a reason."""

_HASH = re.compile(r"\b[0-9a-f]{32,}\b")
"""Shown by its first digits; `--json` has it whole."""


def show_diff(folder: Path | None, one: str, two: str, as_json: bool) -> None:
    """Print what differs between two finished rounds."""
    archive = Archive(current_or_new(folder).root)
    first, second = archive.finished(one), archive.finished(two)
    with archive.saved(first) as old, archive.saved(second) as new:
        found = difference((first, old), (second, new))
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    console = Console(highlight=False)
    console.print(_table(found))
    same = [section for section in SECTIONS if not found[section]]
    if same:
        console.print(f"The same in both: {', '.join(same)}.")


def _table(found: Mapping[str, Any]) -> Table:
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    for past in found["rounds"]:
        table.add_column(f"round {past['round']}", overflow="fold")
    for section in (section for section in SECTIONS if found[section]):
        table.add_row(Text(section, style="bold"))
        for name, (old, new) in found[section].items():
            table.add_row(Text(f"  {name}"), Text(_shown(old)), Text(_shown(new, old)))
    return table


def _shown(value: Any, before: Any = None) -> str:
    """A value; a number with how far it is from the one before."""
    if value is None:
        return "–"
    if isinstance(value, float) and isinstance(before, float):
        return f"{value:.6g} ({value - before:+.3g})"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return _HASH.sub(lambda found: f"{found[0][:12]}…", value)
    return json.dumps(value, ensure_ascii=False)
