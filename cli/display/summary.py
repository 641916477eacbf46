"""The end of a round on one screen (80 columns, at most 30 lines): what was decided, why, and how good it is."""

from itertools import islice
from pathlib import Path
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli.display.console import plain
from cli.display.record import COLOURS, agrees, decision, numbers, table
from tasks.state.record import RoundRecord
from tasks.state.workspace import Workspace

NUMBERS = 6
"""How many numbers are shown."""

EXAMPLES = 3
"""How many answers are shown."""


class TimeSpent(NamedTuple):
    """Seconds of a whole command, and those of them that were learning, sampling and judging."""

    wall: float
    learning: float


def summary(record: RoundRecord, workspace: Workspace, spent: TimeSpent | None = None) -> RenderableType:
    """A finished round. Gates that agree are counted; those that hold or reject stand there whole."""
    parts: list[RenderableType] = [plain(decision(record)), _gates(record), Text()]
    parts += [table(islice(numbers(record), NUMBERS)), Text()]
    if record.examples:
        parts += [_examples(record), Text()]
    parts += [_end(record, workspace, spent)]
    return Panel(Group(*parts), title=title(record), title_align="left", padding=(0, 1))


def title(record: RoundRecord) -> Text:
    """Which round it is, and its verdict."""
    result = record.verdict.result
    return Text.assemble((f"Round {record.number}", "bold"), ": ", (result, COLOURS[result]))


def _gates(record: RoundRecord) -> RenderableType:
    found = record.verdict.findings
    agreeing = sum(map(agrees, found))
    grid = Table.grid(padding=(0, 2))
    for finding in found:
        if not agrees(finding):
            reason = plain(f"{finding.gate}: ", style="bold").append_text(plain(finding.reason, style="not bold"))
            grid.add_row(plain(finding.result, style=COLOURS[finding.result]), reason)
    if agreeing:
        count = f"all {agreeing} gates agree" if agreeing == len(found) else f"{agreeing} gates agree"
        grid.add_row(Text("promote", style=COLOURS["promote"]), count)
    return grid


def _examples(record: RoundRecord) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    for example in record.examples[:EXAMPLES]:
        grid.add_row("prompt", _line(example.prompt, "bold"))
        grid.add_row("before", _line(example.before))
        grid.add_row("after", _line(example.after))
    return grid


def _line(text: str, style: str = "") -> Text:
    line = plain(" ".join(text.split()), style)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _end(record: RoundRecord, workspace: Workspace, spent: TimeSpent | None) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("time", _time(*spent) if spent else _time(*_in_steps(record), " in its steps"))
    where = _workspace(workspace)
    grid.add_row("details", f"rounds show {record.number}{where}")
    grid.add_row("compare", f"make ui, then http://127.0.0.1:5000: run {record.run_id[:8]}")
    if step := _by_hand(record):
        grid.add_row("by hand", f"{step} --reason …{where}")
    return grid


def _time(wall: float, learning: float, where: str = "") -> str:
    return f"{wall:.0f} s{where}: {learning:.0f} s learning, sampling, judging; {wall - learning:.0f} s other"


def _in_steps(record: RoundRecord) -> TimeSpent:
    times = record.times.values()
    return TimeSpent(sum(took.wall for took in times), sum(took.learning for took in times))


def _by_hand(record: RoundRecord) -> str:
    """What a person can do about the verdict."""
    if record.inputs.champion is None:
        return ""
    result = record.verdict.result
    promote = f"rounds promote {record.version}"
    return {"promote": "rounds rollback", "hold": promote, "reject": f"{promote} --force"}[result]


def _workspace(workspace: Workspace) -> str:
    """The option that names the workspace, where commands typed here would not find it."""
    from tasks.state.workspace import PROJECT

    if workspace.root == PROJECT:
        return ""
    here = Path.cwd()
    return f" -w {workspace.root.relative_to(here) if workspace.root.is_relative_to(here) else workspace.root}"
