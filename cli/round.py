"""What `rounds round` does: answer from the record, or run the round and show it."""

import gc
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import typer
from rich.console import Console

from cli.display.summary import TimeSpent, summary
from core.errors import RoundsError
from flows.orchestration.server import starting
from tasks.rounds.request import answered
from tasks.state import records
from tasks.state.workspace import Workspace, current_or_new

WAITS = 3
"""Exit status of a round that waits for people: neither finished (0) nor failed (1, 2)."""


def run_round(folder: Path | None, overrides: Sequence[str], *, new: bool, reopen: bool, wait: float) -> None:
    """Run a round and print its summary; with nothing new, print the last one's."""
    workspace = current_or_new(folder)
    console = Console()
    record = None if new or reopen else answered(workspace, overrides)
    if record is not None:
        console.print("Nothing new since this round; `--new` opens another all the same.", style="yellow")
        console.print(summary(record, workspace))
        return
    before = set(records.numbers(workspace))
    if not (overrides or reopen):
        _stop_where_people_are_awaited(workspace, console)
    record = _run(workspace, overrides, new or reopen, reopen, wait, console)
    if record is None:
        _stop_where_people_are_awaited(workspace, console)
    assert record is not None  # only a deployment that waits for feedback may find nothing to do
    console.print(summary(record, workspace, _spent(workspace, before)))


def _stop_where_people_are_awaited(workspace: Workspace, console: Console) -> None:
    """End the command where the open round can do nothing before people have done something."""
    from tasks.people.pending import pending

    found = pending(workspace)
    if found and not found.ready:
        console.print(str(found), style="yellow", soft_wrap=True)
        raise typer.Exit(WAITS)


def _run(
    workspace: Workspace, overrides: Sequence[str], new: bool, reopen: bool, wait: float, console: Console
) -> dict[str, Any] | None:
    # Prefect's own log lines would break the bars; on a worker, where nobody watches, they stay
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", "CRITICAL")  # a line for each event, where a server died
    console.print("Starting: loading torch, Prefect, MLflow, DVC …", style="dim")
    server = starting()
    with _nothing_collected():
        from httpx import TransportError

        from cli.display.progress import bars
        from flows.round import rlhf_round

    before = records.last(workspace)
    with server, bars(console):
        try:
            return rlhf_round(list(overrides), str(workspace.root), wait=wait, reopen=reopen, new=new)
        except TransportError as error:
            record = _although_untold(workspace, before, error)
            console.print("The Prefect server went away; the round is finished all the same.", style="yellow")
            return record


def _although_untold(workspace: Workspace, before: dict[str, Any] | None, error: Exception) -> dict[str, Any]:
    """The record of a round whose end could not be told to the server.

    Raises:
        RoundsError: the server went away before the end.
    """
    record = records.last(workspace)
    if record is None or record == before or record["number"] == 0:
        raise RoundsError(
            f"the Prefect server does not answer ({type(error).__name__}: {error}); see that it runs, or unset "
            "PREFECT_API_URL. What was finished is kept; continue with `rounds round`."
        ) from error
    return record


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Spare the garbage collector what is imported here: it stays, and looking through it takes seconds."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def _spent(workspace: Workspace, before: set[int]) -> TimeSpent:
    """Seconds since this process started, and those of them that the rounds it finished spent learning."""
    new = [records.read(workspace, number) for number in records.numbers(workspace) if number not in before]
    learning = sum(times["learning"] for record in new for times in record["times"].values())
    return TimeSpent(time.time() - psutil.Process().create_time(), learning)
