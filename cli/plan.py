"""`rounds plan`: show what `rounds round` would do now, and why."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.app import Folder, Json, New, Overrides, Panel, app
from cli.display.commands import completed
from cli.display.console import console, grid, print_json
from cli.display.differences import print_differences

if TYPE_CHECKING:
    from rich.console import Console

    from tasks.rounds.fit import Fit
    from tasks.rounds.plan import Plan

REASONS = 4
"""Maximum number of reasons printed."""

PARTS = ("weights", "gradients", "moments", "activations", "cache", "copy", "total", "disk")

WORDS = {
    "answer": "Nothing new: would print the record of round {}.",
    "continue": "Would continue round {}.",
    "open": "Would open round {}.",
    "refuse": "Would refuse to run round {}.",
}


@app.command(rich_help_panel=Panel.ROUNDS)
def plan(overrides: Overrides = None, folder: Folder = None, new: New = False, json: Json = False) -> None:
    """Show what `rounds round` would do now, and why. Nothing is started or written."""
    from tasks.rounds.plan import plan as planned
    from tasks.state.choosing import current

    plan_ = planned(current(folder), overrides or [], new)
    if json:
        print_json(plan_.to_json())
    else:
        _show(plan_)


def _show(plan_: "Plan") -> None:
    out = console()
    print_differences(out, plan_.warnings)
    out.print(WORDS[plan_.would].format(plan_.round), style="bold")
    for reason in plan_.because[:REASONS]:
        out.print(completed(f"  because {reason}"), soft_wrap=True)
    if more := _more(plan_.because):
        out.print(f"  {more}")
    for name, value in (plan_.reads._asdict() if plan_.reads else {}).items():
        out.print(f"  reads   {name}: {value if isinstance(value, str) else ', '.join(value)}")
    for line in plan_.learns:
        out.print(f"  learns  {line}")
    table = grid("step", "does", "because")
    for step in plan_.steps:
        table.add_row(step.step, step.does, "\n".join(_shortened(step.because)))
    if plan_.steps:
        out.print(table)
    if plan_.fit:
        _show_memory(out, plan_.fit)
    if plan_.would == "open" and plan_.round == 0:
        out.print("Then it would open round 1, the first with a candidate, and run every step.")


def _show_memory(out: "Console", fit: "Fit") -> None:
    """Gigabytes that each step needs, what the machine has, and the knobs that lower each part."""
    machine = fit.machine
    has = f"{machine.memory / 1e9:.1f} GB" + (f", GPU {machine.gpu / 1e9:.1f} GB" if machine.gpu else "")
    out.print(f"GB that each step needs at its peak, estimated; this machine has {has}:", style="bold")
    table = grid("step", *PARTS)
    for step, need in fit.needs.items():
        table.add_row(step, *(f"{getattr(need, part) / 1e9:.2f}" for part in PARTS))
    out.print(table)
    if machine.disk is not None:
        out.print(f"The round writes {fit.written / 1e9:.2f} GB; its disk has room for {machine.disk / 1e9:.1f} GB.")
    for part, knobs in fit.to_json()["knobs"].items():
        out.print(f"  lower {part}: {knobs}")


def _shortened(reasons: Sequence[str]) -> list[str]:
    return [*reasons[:REASONS], *filter(None, [_more(reasons)])]


def _more(reasons: Sequence[str]) -> str:
    left = len(reasons) - REASONS
    return f"and for {left} more reason{'s' * (left > 1)}; --json lists them" if left > 0 else ""
