"""`rounds round`: answer from the record, or run the round and show its summary."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cli.app import Folder, New, Overrides, Panel, app
from cli.display.console import console
from cli.display.summary import TimeSpent, summary
from core.errors import RoundsError

if TYPE_CHECKING:
    from tasks.state.record import RoundRecord
    from tasks.state.workspace import Workspace

WAITS = 3
"""Exit status of a round that waits for people: neither finished (0) nor failed (1, 2)."""


@app.command("round", rich_help_panel=Panel.ROUNDS)
def round_(
    overrides: Overrides = None,
    workspace: Folder = None,
    new: New = False,
    reopen: Annotated[bool, typer.Option("--reopen", help="Drop an unfinished round and open it anew.")] = False,
    wait: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for a round that runs already.")] = 0,
) -> None:
    """Run a round: continue an unfinished one, or open the next."""
    from tasks.rounds.request import answered
    from tasks.state.workspace import current_or_new

    place, out = current_or_new(workspace), console()
    record = None if new or reopen else answered(place, overrides or [])
    if record is not None:
        out.print("Nothing new since this round; use --new to start one anyway.", style="yellow")
        out.print(summary(record, place))
    else:
        _run(place, overrides or [], new or reopen, reopen, wait, out)


def _run(workspace: Workspace, overrides: Sequence[str], new: bool, reopen: bool, wait: float, out: Console) -> None:
    from tasks.state import records

    before = set(records.numbers(workspace))
    if not (overrides or reopen):
        _stop_where_people_are_awaited(workspace, out)
    record = _finished(workspace, overrides, new, reopen, wait, out)
    if record is None:
        _stop_where_people_are_awaited(workspace, out)
    assert record is not None  # only a deployment that waits for feedback may find nothing to do
    out.print(summary(record, workspace, _spent(workspace, before)))


def _stop_where_people_are_awaited(workspace: Workspace, out: Console) -> None:
    """End the command where the open round can do nothing before people have done something."""
    from tasks.people.pending import pending

    awaited = pending(workspace)
    if awaited and not awaited.ready:
        out.print(str(awaited), style="yellow", soft_wrap=True)
        raise typer.Exit(WAITS)


def _finished(
    workspace: Workspace, overrides: Sequence[str], new: bool, reopen: bool, wait: float, out: Console
) -> RoundRecord | None:
    from flows.orchestration.server import starting
    from tasks.state import records

    # Prefect's own log lines would break the bars; on a worker, where nobody watches, they stay
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", "CRITICAL")  # a line for each event, where a server died
    out.print("Starting: loading torch, Prefect, MLflow, DVC …", style="dim")
    server = starting()
    with _nothing_collected():
        from httpx import TransportError

        from cli.display.progress import progress
        from flows.round import rlhf_round

    before = records.last(workspace)
    with server, progress(out):
        try:
            return rlhf_round(list(overrides), str(workspace.root), wait=wait, reopen=reopen, new=new)
        except TransportError as error:
            record = _although_untold(workspace, before, error)
            out.print("The Prefect server went away; the round is finished all the same.", style="yellow")
            return record


def _although_untold(workspace: Workspace, before: RoundRecord | None, error: Exception) -> RoundRecord:
    """The record of a round whose end could not be told to the server.

    Raises:
        RoundsError: the server went away before the end.
    """
    from tasks.state import records

    record = records.last(workspace)
    if record is None or record == before or record.number == 0:
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
    import psutil

    from tasks.state import records

    new = [records.read(workspace, number) for number in records.numbers(workspace) if number not in before]
    learning = sum(times.learning for record in new for times in record.times.values())
    return TimeSpent(time.time() - psutil.Process().create_time(), learning)
