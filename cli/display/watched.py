"""The open round as it goes on: a table that is drawn again on a terminal, a line per change in a file or a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from cli.display.commands import completed
from cli.display.console import plain
from cli.display.record import decision
from tasks.pages.cost import duration
from tasks.rounds import round_progress
from tasks.rounds.progress_lines import PAUSE
from tasks.rounds.round_progress import OpenRoundState
from tasks.state import records
from tasks.state.records import RoundRecord
from tasks.state.workspace import Workspace

EVERY = 1.0
"""Seconds between two looks at the files."""

WIDTH = 24
"""Columns of the bar."""

Sleep = Callable[[float], None]


def watch(workspace: Workspace, out: Console, sleep: Sleep = time.sleep) -> None:
    """Show the open round until Ctrl-C."""
    try:
        if out.is_terminal:
            _draw(workspace, out, sleep)
        else:
            _print(workspace, out, sleep)
    except KeyboardInterrupt:
        return


def _draw(workspace: Workspace, out: Console, sleep: Sleep) -> None:
    with Live(console=out, auto_refresh=False) as live:
        while True:
            live.update(table(workspace, datetime.now(UTC)), refresh=True)
            sleep(EVERY)


def _print(workspace: Workspace, out: Console, sleep: Sleep) -> None:
    """A line when step, activity or wait change, and at most one a minute when only numbers do."""
    last, printed = "", datetime.min.replace(tzinfo=UTC)
    while True:
        now = datetime.now(UTC)
        progress = round_progress.read(workspace, now)
        state = _state(progress) if progress else _idle(workspace)
        if state != last or (progress and progress.activity == "runs" and now - printed >= PAUSE):
            text = line(progress, now) if progress else state
            out.print(f"{now.astimezone():%H:%M:%S} {completed(text)}", soft_wrap=True)
            last, printed = state, now
        sleep(EVERY)


def line(progress: OpenRoundState, now: datetime) -> str:
    """The open round in one line."""
    if progress.wait:
        return progress.wait
    parts = [_state(progress)]
    if (step := progress.step) and not step.ended:
        parts += ["{} of {}".format(*step.part)] if step.part else []
        parts += [step.numbers] if step.numbers else []
        parts.append(f"{duration(step.seconds)} in this step")
    if progress.end:
        parts.append(f"expected end {expected_end(progress.end, now)}")
    return "; ".join(parts)


def table(workspace: Workspace, now: datetime) -> Table:
    """The open round, or the last one that finished, as lines with labels."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    progress = round_progress.read(workspace, now)
    if progress is None:
        grid.add_row("round", plain(completed(_idle(workspace))))
        return grid
    elapsed = duration((now - progress.opened).total_seconds())
    grid.add_row("round", f"{progress.number} {progress.activity}; opened {elapsed} ago")
    grid.add_row("steps", _bar(progress.done, progress.steps))
    if step := progress.step:
        usual = f" of about {duration(step.expected)}" if step.expected else ""
        grid.add_row("step", f"{step.name}: {'ended after ' if step.ended else ''}{duration(step.seconds)}{usual}")
        if step.part:
            grid.add_row("", _bar(*step.part))
        if step.numbers:
            grid.add_row("numbers", plain(step.numbers))
    if progress.end:
        grid.add_row("end", f"expected {expected_end(progress.end, now)}")
    if progress.wait:
        grid.add_row("waits", plain(completed(progress.wait), style="yellow"))
    elif progress.activity == "stands still":
        grid.add_row("", plain(completed(CONTINUE), style="yellow"))
    return grid


CONTINUE = "No process runs it; continue it with `rounds round`."


def expected_end(end: datetime, now: datetime) -> str:
    """A time of day on this machine, and how far away it is; with the date if it is another day."""
    local = end.astimezone()
    day = "" if local.date() == now.astimezone().date() else f"{local:%Y-%m-%d} "
    return f"{day}{local:%H:%M:%S}, in {duration((end - now).total_seconds())}"


def _state(progress: OpenRoundState) -> str:
    """What changes rarely."""
    if progress.wait:
        return progress.wait
    step = f", step {progress.step.name}{' has ended' if progress.step.ended else ''}" if progress.step else ""
    told = f"round {progress.number} {progress.activity}{step}"
    return f"{told}. {CONTINUE}" if progress.activity == "stands still" else told


def _idle(workspace: Workspace) -> str:
    record = records.last(workspace)
    return "no round has run here yet" if record is None else _finished(record)


def _finished(record: RoundRecord) -> str:
    """The result of the round that finished last."""
    return f"no round is open; round {record.number} ended with {record.verdict.result}. {decision(record)}"


def _bar(done: int, total: int) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_row(ProgressBar(total, done, width=WIDTH), f"{done} of {total}")
    return grid
