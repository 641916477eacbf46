"""Progress of the steps: bars on a terminal, plain lines in a file or a pipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from core.log import Log
from core.shown import shown
from tasks.rounds.progress_lines import Clock, ProgressLines, numbers

if TYPE_CHECKING:
    from tasks.rounds.running import Show


@contextmanager
def progress(console: Console) -> Iterator[Show]:
    """Show the steps of the rounds that run in this block; yields a function that shows further steps."""
    from tasks.rounds.running import SHOW

    with bars(console) if console.is_terminal else lines(console) as show:
        token = SHOW.set(show)
        try:
            yield show
        finally:
            SHOW.reset(token)


@contextmanager
def lines(console: Console, clock: Clock | None = None) -> Iterator[Show]:
    """Print a line at the end of each step, and at most one per minute while it runs."""
    writer = ProgressLines(lambda line: console.print(line, soft_wrap=True), clock)
    try:
        yield writer
    except BaseException:
        writer.end("stopped after")
        raise
    writer.end()


@contextmanager
def bars(console: Console) -> Iterator[Show]:
    """Show one bar per step, with its most important metrics."""
    columns = (
        TextColumn("{task.description:<16}", markup=False),
        BarColumn(bar_width=28),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", style="dim", markup=False),
    )
    with Progress(*columns, console=console) as progress:
        yield lambda title, step: _bar(progress, title, step)
        _finish_others(progress)


def _bar(progress: Progress, title: str, step: str) -> Log:
    _finish_others(progress)
    task = progress.add_task(shown(title), total=None, note="")

    def show(metrics: Mapping[str, float], done: int, total: int | None = None) -> None:
        if total == 0:
            progress.update(task, total=1, completed=1, note="already done")
            return
        if total:
            progress.update(task, total=total, completed=done + 1)
        if note := numbers(step, metrics):
            progress.update(task, note=shown(note))

    return show


def _finish_others(progress: Progress) -> None:
    for task in progress.tasks:
        if not task.finished:
            progress.update(task.id, total=task.total or 1, completed=task.total or 1)
