"""Progress bars: one line a step, with the numbers that matter while it works."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from core.log import Log
from tasks.rounds.running import SHOW

SHOWN = ("loss", "accuracy", "score", "kl", "reward", "new", "quarantined")
"""Metrics worth a look while a step works; the rest is in MLflow."""


@contextmanager
def bars(console: Console) -> Iterator[None]:
    """Give each step of the rounds in this block its bar."""
    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(bar_width=28),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as progress:
        watching = SHOW.set(lambda step: _bar(progress, step))
        yield
        SHOW.reset(watching)
        _finish_others(progress)


def _bar(progress: Progress, step: str) -> Log:
    _finish_others(progress)
    task = progress.add_task(step, total=None, note="")

    def show(metrics: Mapping[str, float], done: int, total: int | None = None) -> None:
        if total == 0:
            progress.update(task, total=1, completed=1, note="done before")
            return
        if total:
            progress.update(task, total=total, completed=done + 1)
        if note := _note(metrics):
            progress.update(task, note=note)

    return show


def _finish_others(progress: Progress) -> None:
    for task in progress.tasks:
        if not task.finished:
            progress.update(task.id, total=task.total or 1, completed=task.total or 1)


def _note(metrics: Mapping[str, float]) -> str:
    """The metrics worth showing, by the last part of their names."""
    short = {name.rpartition("/")[2]: value for name, value in metrics.items()}
    return "  ".join(f"{name} {short[name]:.4g}" for name in SHOWN if name in short)
