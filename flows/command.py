"""What `python -m flows round` does: answer from the record, or run the round and show it."""

import gc
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from core.errors import RoundsError
from flows.server import starting
from flows.summary import Spent, summary
from tasks import records
from tasks.request import answered
from tasks.workspace import Workspace, current


def run_round(folder: Path | None, overrides: Sequence[str], *, new: bool, reopen: bool, wait: float) -> None:
    """Run a round and print its summary; with nothing new, print the last one's."""
    place = current(folder)
    console = Console()
    record = None if new or reopen else answered(place, overrides)
    if record is not None:
        console.print("Nothing new since this round; `--new` opens another all the same.", style="yellow")
        console.print(summary(record, place))
        return
    before = set(records.numbers(place))
    record = _run(place, overrides, new or reopen, reopen, wait, console)
    console.print(summary(record, place, _spent(place, before)))


def _run(
    place: Workspace, overrides: Sequence[str], new: bool, reopen: bool, wait: float, console: Console
) -> dict[str, Any]:
    # Prefect's own log lines would break the bars; on a worker, where nobody watches, they stay
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", "CRITICAL")  # a line for each event, where a server died
    console.print("Starting: loading torch, Prefect, MLflow, DVC …", style="dim")
    server = starting()
    with _nothing_collected():
        from httpx import TransportError

        from flows.progress import bars
        from flows.round import rlhf_round

    before = records.last(place)
    with server, bars(console):
        try:
            record = rlhf_round(list(overrides), str(place.root), wait=wait, reopen=reopen, new=new)
        except TransportError as error:
            record = _although_untold(place, before, error)
            console.print("The Prefect server went away; the round is finished all the same.", style="yellow")
    assert record is not None  # only a deployment that waits for feedback may find nothing to do
    return record


def _although_untold(place: Workspace, before: dict[str, Any] | None, error: Exception) -> dict[str, Any]:
    """The record of a round whose end could not be told to the server.

    Raises:
        RoundsError: the server went away before the end.
    """
    record = records.last(place)
    if record is None or record == before or record["number"] == 0:
        raise RoundsError(
            f"the Prefect server does not answer ({type(error).__name__}: {error}); see that it runs, or unset "
            "PREFECT_API_URL. What was finished is kept; continue with `python -m flows round`."
        ) from error
    return record


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Spare the garbage collector what is imported here: it stays, and looking through it takes seconds."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def _spent(place: Workspace, before: set[int]) -> Spent:
    """Seconds since this process started, and those of them that the rounds it finished spent learning."""
    new = [records.read(place, number) for number in records.numbers(place) if number not in before]
    learning = sum(times["learning"] for record in new for times in record["times"].values())
    return Spent(time.time() - psutil.Process().create_time(), learning)
