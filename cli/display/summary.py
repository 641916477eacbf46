"""The result of a round on one screen (80 columns, about 30 lines): the verdict, its reasons, the main metrics."""

import shlex
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli.display.console import plain
from cli.display.record import COLOURS, agrees, decision, numbers, table
from tasks.pages.cost import price_with_rates
from tasks.state.records import RoundRecord
from tasks.state.workspace import Workspace

NUMBERS = 6
"""Maximum number of metrics shown."""

EXAMPLES = 3
"""Maximum number of examples shown."""

REASONS = 3
"""Maximum number of gates shown with their reasons. With more, the other gates that hold or reject are only named."""


class TimeSpent(NamedTuple):
    """Duration of a command in seconds, and the part spent learning, sampling and judging."""

    wall: float
    learning: float


def summary(record: RoundRecord, workspace: Workspace, spent: TimeSpent | None = None) -> RenderableType:
    """A finished round. Gates that promote are counted; of those that hold or reject, the first have their reasons."""
    parts: list[RenderableType] = [plain(decision(record)), _gates(record), Text()]
    parts += [table(islice(numbers(record), NUMBERS)), Text()]
    if record.examples:
        parts += [_examples(record), Text()]
    parts += [_end(record, workspace, spent)]
    return Panel(Group(*parts), title=title(record), title_align="left", padding=(0, 1))


def title(record: RoundRecord) -> Text:
    """The number of the round, and its verdict."""
    result = record.verdict.result
    return Text.assemble((f"Round {record.number}", "bold"), ": ", (result, COLOURS[result]))


def ui(workspace: Workspace) -> str:
    """The command that starts MLflow's pages of the workspace."""
    option = _workspace(workspace)
    return f"rounds up --only mlflow{option}" if option else "make ui"


def _gates(record: RoundRecord) -> RenderableType:
    findings = record.verdict.findings
    agreeing = sum(map(agrees, findings))
    # those that reject first: they decide
    others = sorted((finding for finding in findings if not agrees(finding)), key=lambda it: it.result != "reject")
    grid = Table.grid(padding=(0, 2))
    for finding in others[:REASONS]:
        reason = plain(f"{finding.gate}: ", style="bold").append_text(plain(finding.reason, style="not bold"))
        grid.add_row(_result(finding.result), reason)
    for result in ("reject", "hold"):
        if names := [finding.gate for finding in others[REASONS:] if finding.result == result]:
            grid.add_row(_result(result), plain(", ".join(names)))
    if agreeing:
        count = f"all {agreeing} gates" if agreeing == len(findings) > 1 else f"{agreeing} gate{'s' * (agreeing > 1)}"
        grid.add_row(_result("promote"), count)
    return grid


def _result(result: str) -> Text:
    return plain(result, style=COLOURS[result])


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
    took = _time(*spent) if spent else _time(*_in_steps(record), " in its steps")
    grid.add_row("time", f"{took}{_processors(record)}")
    if record.cost and (price := price_with_rates(record.cost, record.metrics)):
        grid.add_row("cost", price)
    option = _workspace(workspace)
    grid.add_row("details", f"rounds show {record.number}{option}")
    grid.add_row("compare", f"{ui(workspace)}; run {record.run_id[:8]}")
    if step := _by_hand(record):
        grid.add_row("by hand", f"{step} --reason …{option}")
    return grid


def _time(wall: float, learning: float, suffix: str = "") -> str:
    return f"{wall:.0f} s{suffix}: {learning:.0f} s learning, sampling, judging; {wall - learning:.0f} s other"


def _processors(record: RoundRecord) -> str:
    """The time of processors; `rounds show` has what else the steps used."""
    return f"; CPU {record.cost.total.cpu:.0f} s" if record.cost else ""


def _in_steps(record: RoundRecord) -> TimeSpent:
    times = record.times.values()
    return TimeSpent(sum(took.wall for took in times), sum(took.learning for took in times))


def _by_hand(record: RoundRecord) -> str:
    """The command that overrides the verdict."""
    if record.inputs.champion is None:
        return ""
    result = record.verdict.result
    promote = f"rounds promote {record.version}"
    return {"promote": "rounds rollback", "hold": promote, "reject": f"{promote} --force"}[result]


def _workspace(workspace: Workspace) -> str:
    """The option `-w` with the workspace; empty for the default workspace."""
    from tasks.state.workspace import PROJECT

    if workspace.root == PROJECT:
        return ""
    folder = Path.cwd()
    path = workspace.root.relative_to(folder) if workspace.root.is_relative_to(folder) else workspace.root
    return f" -w {shlex.quote(str(path))}"
