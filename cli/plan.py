"""What a round would do now, printed."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tasks.rounds.plan import plan
from tasks.state.workspace import current

REASONS = 4
"""How many are printed."""

WORDS = {
    "answer": "Would answer from the record of round {}.",
    "continue": "Would continue round {}.",
    "open": "Would open round {}.",
    "refuse": "Would refuse: round {} is open.",
}


def show_plan(folder: Path | None, overrides: Sequence[str], new: bool, as_json: bool) -> None:
    """Print what `rounds round` would do with the same overrides."""
    found = plan(current(folder), overrides, new)
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    console = Console(highlight=False)
    console.print(WORDS[found["would"]].format(found["round"]), style="bold")
    for reason in _few(found["because"]):
        console.print(f"  because {reason}", markup=False)
    for name, value in found["reads"].items():
        console.print(f"  reads   {name}: {value if isinstance(value, str) else ', '.join(value)}", markup=False)
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in ("step", "does", "because"):
        table.add_column(column)
    for step in found["steps"]:
        table.add_row(step["step"], step["does"], Text("\n".join(_few(step["because"]))))
    if found["steps"]:
        console.print(table)
    if found["would"] == "open" and found["round"] == 0:
        console.print("Then it would open round 1, the first with a candidate, and run every step.")


def _few(reasons: Sequence[str]) -> list[str]:
    more = len(reasons) - REASONS
    return [*reasons[:REASONS], *([f"and {more} more; --json names them all"] if more > 0 else [])]
