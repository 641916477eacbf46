"""`rounds show`: everything about a finished round, and about the open one what there is so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.app import Folder, Json, Panel, app
from cli.display.console import console, grid, plain, print_json
from cli.display.record import COLOURS, decision, details, numbers, table
from cli.display.summary import title, ui
from core.errors import NotFound
from tasks.pages.cost import duration, memory, sentence

if TYPE_CHECKING:
    from evaluation.verdict import Finding
    from tasks.rounds.so_far import OpenRoundResults
    from tasks.state.cost import RoundCost
    from tasks.state.records import RoundRecord
    from tasks.state.reports import Example, Seconds
    from tasks.state.workspace import Workspace


UI = "http://127.0.0.1:5000"
"""The address of MLflow's pages, with the command that `ui` names."""


@app.command(rich_help_panel=Panel.ROUNDS)
def show(
    number: Annotated[
        int | None, typer.Argument(metavar="ROUND", help="The number of the round. Default: the last finished one.")
    ] = None,
    json: Json = False,
    folder: Folder = None,
) -> None:
    """Show a round in full: gates, metrics, examples, the time of each step, its files; of the open one, so far."""
    from tasks.rounds import so_far
    from tasks.state import records
    from tasks.state.choosing import current

    workspace = current(folder)
    opened = so_far.read(workspace)
    if opened is not None and (opened.number == number or (number is None and not records.numbers(workspace))):
        if json:
            print_json(opened.to_json())
        else:
            _show_open(console(), opened, workspace)
        return
    record = _record(workspace, number)
    if json:
        print_json(record.to_json())
    else:
        _show(console(), record, workspace)


def _record(workspace: Workspace, number: int | None) -> RoundRecord:
    """The record of a round; by default, of the last one.

    Raises:
        NotFound: the round has not finished.
    """
    from tasks.state import records

    finished = records.numbers(workspace)
    if not finished:
        raise NotFound(f"no round has finished in {workspace.root} yet; run the first one with `rounds round`")
    if number is not None and number not in finished:
        raise NotFound(
            f"round {number} has not finished in {workspace.root}; finished rounds: {', '.join(map(str, finished))}"
        )
    return records.read(workspace, finished[-1] if number is None else number)


def _show(out: Console, record: RoundRecord, workspace: Workspace) -> None:
    out.print(title(record))
    out.print(decision(record), soft_wrap=True)
    _section(out, "Numbers", table(iter([*numbers(record), *details(record)])))
    if record.verdict.findings:
        _section(out, "Gates", _gates(record.verdict.findings))
    if record.examples:
        _section(out, "Answers", _examples(record.examples))
    _section(out, "Time", _times(record.times))
    if record.cost:
        _section(out, "Cost", _cost(record.cost))
        out.print(sentence(record.cost, record.metrics), soft_wrap=True)
    _section(out, "Metrics", _metrics(record.metrics))
    out.print()
    for name, text in _locations(record, workspace):
        out.print(plain(f"{name:<9}", style="bold").append_text(plain(text, style="not bold")), soft_wrap=True)


def _show_open(out: Console, found: OpenRoundResults, workspace: Workspace) -> None:
    """What there is of a round that has not finished."""
    from cli.display.watched import table as progress

    out.print(progress(workspace, datetime.now(UTC)))
    if found.findings:
        _section(out, "Gates", _gates(found.findings))
    if found.examples:
        _section(out, "Answers", _examples(found.examples))
    if found.times:
        _section(out, "Time of steps that have ended", _times(found.times))
    if found.metrics:
        _section(out, "Metrics of steps that have ended", _metrics(found.metrics))


def _section(out: Console, heading: str, content: Table) -> None:
    out.print()
    out.print(heading, style="bold")
    out.print(content)


def _gates(findings: Iterable[Finding]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for finding in findings:
        grid.add_row(plain(finding.result, style=COLOURS[finding.result]), finding.gate, finding.reason)
    return grid


def _examples(examples: Iterable[Example]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for example in examples:
        grid.add_row("prompt", plain(example.prompt, style="bold"))
        grid.add_row("before", example.before)
        grid.add_row("after", example.after)
    return grid


def _times(times: Mapping[str, Seconds]) -> Table:
    grid = Table(box=None, padding=(0, 3, 0, 0), header_style="bold")
    for column in ("step", "seconds", "of which learning, sampling, judging"):
        grid.add_column(column, justify="left" if column == "step" else "right")
    for step, took in times.items():
        grid.add_row(step, f"{took.wall:.1f}", f"{took.learning:.1f}")
    return grid


def _cost(cost: RoundCost) -> Table:
    """What each step used, killed attempts included."""
    elsewhere = ["machine"] if cost.total.machine else []
    steps = grid("step", "time", "CPU, s", "GPU, s", "tokens sampled", "trained on", "peak memory", *elsewhere)
    for step, used in cost.steps.items():
        numbers = (f"{used.cpu:.1f}", f"{used.gpu:.1f}", f"{used.sampled:,}", f"{used.trained:,}", memory(used))
        steps.add_row(step, duration(used.wall), *numbers, *([used.machine or "–"] if elsewhere else []))
    return steps


def _metrics(metrics: Mapping[str, float]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for name, value in metrics.items():
        grid.add_row(name, f"{value:,.0f}" if float(value).is_integer() else f"{value:.6g}")
    return grid


def _locations(record: RoundRecord, workspace: Workspace) -> list[tuple[str, str]]:
    from tasks.tools.rounds_view import page

    return [
        ("key", record.key),
        ("finished", record.finished),
        ("run", record.run_id),
        ("MLflow", f"{ui(workspace)}, then {page(UI, record.experiment)}"),
        ("reports", str(workspace.reports)),
    ]
