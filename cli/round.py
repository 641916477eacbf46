"""`rounds round`: run a round and print its summary; with nothing new, print the summary of the last one."""

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
from cli.display.commands import completed
from cli.display.console import console
from cli.display.summary import TimeSpent, summary
from core.errors import RoundsError

if TYPE_CHECKING:
    from tasks.state.records import RoundRecord
    from tasks.state.workspace import Workspace

WAITS = 3
"""Exit status if the round waits for people: neither finished (0) nor failed (1, 2)."""


@app.command("round", rich_help_panel=Panel.ROUNDS)
def round_(
    overrides: Overrides = None,
    folder: Folder = None,
    new: New = False,
    reopen: Annotated[bool, typer.Option("--reopen", help="Drop the unfinished round and open it again.")] = False,
    wait: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait for a round that is already running.")
    ] = 0,
) -> None:
    """Run a round: continue an unfinished one, or start the next."""
    from tasks.rounds.first import workspace_for_round
    from tasks.rounds.request import answer

    out = console()
    with out.status("Reading the parameters …"):  # takes seconds before a first round; on a terminal only
        workspace = workspace_for_round(folder, overrides or [])
    record = None if new or reopen else answer(workspace, overrides or [])
    if record is not None:
        out.print("Nothing new since this round; use --new to start one anyway.", style="yellow")
        out.print(summary(record, workspace))
    else:
        _run(workspace, overrides or [], new or reopen, reopen, wait, out)


def _run(workspace: Workspace, overrides: Sequence[str], new: bool, reopen: bool, wait: float, out: Console) -> None:
    from tasks.state import records

    before = set(records.numbers(workspace))
    if not (overrides or reopen):
        _exit_if_waiting_for_people(workspace, out)
    record = _finished(workspace, overrides, new, reopen, wait, out)
    if record is None:
        _exit_if_waiting_for_people(workspace, out)
    assert record is not None  # only a deployment (when_pending) returns no record
    out.print(summary(record, workspace, _spent(workspace, before)))


def _exit_if_waiting_for_people(workspace: Workspace, out: Console) -> None:
    """Exit with `WAITS` if the open round cannot continue before people have voted or approved."""
    from tasks.people.pending import pending

    awaited = pending(workspace)
    if awaited and not awaited.ready:
        out.print(completed(str(awaited)), style="yellow", soft_wrap=True)
        raise typer.Exit(WAITS)


def _finished(
    workspace: Workspace, overrides: Sequence[str], new: bool, reopen: bool, wait: float, out: Console
) -> RoundRecord | None:
    from flows.orchestration.server import starting
    from tasks.state import records

    # Prefect's log lines would break the progress bars; on a worker they stay
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", "CRITICAL")  # one line per event if a server died
    out.print("Starting: loading torch, Prefect, MLflow, DVC …", style="dim")
    server = starting()
    with _without_garbage_collection():
        from httpx import TransportError

        from cli.display.progress import progress
        from flows.round import rlhf_round

    before = records.last(workspace)
    with server, progress(out):
        try:
            return rlhf_round(list(overrides), str(workspace.root), wait=wait, reopen=reopen, new=new)
        except TransportError as error:
            record = _record_without_server(workspace, before, error)
            out.print(
                "The Prefect server went away after the round had finished; the round is complete.", style="yellow"
            )
            return record


def _record_without_server(workspace: Workspace, before: RoundRecord | None, error: Exception) -> RoundRecord:
    """The record of the round, if it finished before the server went away.

    Raises:
        RoundsError: the server went away before the round finished.
    """
    from tasks.state import records
    from tasks.tools.prefect_api import configured

    record = records.last(workspace)
    if record is None or record == before or record.number == 0:
        lost, cure = "the round's own Prefect server ended", ""
        if configured():
            lost, cure = "the Prefect server does not answer", "; start it again, or unset PREFECT_API_URL"
        raise RoundsError(
            f"{lost} ({type(error).__name__}: {error}){cure}. Finished steps are kept; continue with `rounds round`."
        ) from error
    return record


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Disable the garbage collector during imports, and exempt the imported objects: scanning them takes seconds."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def _spent(workspace: Workspace, before: set[int]) -> TimeSpent:
    """Seconds since this process started, and how many of them its finished rounds spent learning."""
    import psutil

    from tasks.state import records

    new = [records.read(workspace, number) for number in records.numbers(workspace) if number not in before]
    learning = sum(times.learning for record in new for times in record.times.values())
    return TimeSpent(time.time() - psutil.Process().create_time(), learning)
