"""`rounds plan`: what a round would do now, and why."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.app import Folder, Json, New, Overrides, Panel, app
from cli.display.console import as_json, console, grid

if TYPE_CHECKING:
    from tasks.rounds.plan import Plan

REASONS = 4
"""How many are printed."""

WORDS = {
    "answer": "Would answer from the record of round {}.",
    "continue": "Would continue round {}.",
    "open": "Would open round {}.",
    "refuse": "Would refuse: round {} is open.",
}


@app.command(rich_help_panel=Panel.ROUNDS)
def plan(overrides: Overrides = None, workspace: Folder = None, new: New = False, json: Json = False) -> None:
    """Say what a round would do now, and why. Nothing is started or written."""
    from tasks.rounds.plan import plan as planned
    from tasks.state.workspace import current

    found = planned(current(workspace), overrides or [], new)
    if json:
        print(as_json(found.to_json()))
    else:
        _show(found)


def _show(found: "Plan") -> None:
    out = console()
    out.print(WORDS[found.would].format(found.round), style="bold")
    for reason in _few(found.because):
        out.print(f"  because {reason}")
    for name, value in (found.reads._asdict() if found.reads else {}).items():
        out.print(f"  reads   {name}: {value if isinstance(value, str) else ', '.join(value)}")
    table = grid("step", "does", "because")
    for step in found.steps:
        table.add_row(step.step, step.does, "\n".join(_few(step.because)))
    if found.steps:
        out.print(table)
    if found.would == "open" and found.round == 0:
        out.print("Then it would open round 1, the first with a candidate, and run every step.")


def _few(reasons: Sequence[str]) -> list[str]:
    more = len(reasons) - REASONS
    return [*reasons[:REASONS], *([f"and {more} more; --json names them all"] if more > 0 else [])]
