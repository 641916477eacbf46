"""How far the steps are: bars on a terminal; in a file or a pipe, lines that can be read later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from core.log import Log
from tasks.rounds.lines import Clock, Lines, numbers

if TYPE_CHECKING:
    from tasks.rounds.running import Show


@contextmanager
def progress(console: Console) -> Iterator[Show]:
    """Show the steps of the rounds that run in this block; the block gets what shows a step, for steps of its own."""
    from tasks.rounds.running import SHOW

    with bars(console) if console.is_terminal else lines(console) as show:
        shown = SHOW.set(show)
        try:
            yield show
        finally:
            SHOW.reset(shown)


@contextmanager
def lines(console: Console, clock: Clock | None = None) -> Iterator[Show]:
    """Print a line at the start and end of a step, and at most one a minute while it works."""
    written = Lines(lambda line: console.print(line, soft_wrap=True), clock)
    try:
        yield written
    except BaseException:
        written.end("stopped")
        raise
    written.end()


@contextmanager
def bars(console: Console) -> Iterator[Show]:
    """Give each step its bar, with the numbers that matter while it works."""
    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(bar_width=28),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as progress:
        yield lambda step: _bar(progress, step)
        _finish_others(progress)


def _bar(progress: Progress, step: str) -> Log:
    _finish_others(progress)
    task = progress.add_task(escape(step), total=None, note="")

    def show(metrics: Mapping[str, float], done: int, total: int | None = None) -> None:
        if total == 0:
            progress.update(task, total=1, completed=1, note="done before")
            return
        if total:
            progress.update(task, total=total, completed=done + 1)
        if note := numbers(metrics):
            progress.update(task, note=note)

    return show


def _finish_others(progress: Progress) -> None:
    for task in progress.tasks:
        if not task.finished:
            progress.update(task.id, total=task.total or 1, completed=task.total or 1)
