"""What `python -m flows round` does: answer from the record, or run the round and show it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from flows.summary import summary
from tasks.request import answered
from tasks.workspace import Workspace, current


def run_round(folder: Path | None, overrides: Sequence[str], *, new: bool, reopen: bool, wait: float) -> None:
    """Run a round and print its summary; with nothing new, print the last one's."""
    place = current(folder)
    console = Console()
    record = None if new or reopen else answered(place, overrides)
    if record is not None:
        console.print("Nothing new since this round; `--new` opens another all the same.", style="yellow")
    else:
        record = _run(place, overrides, reopen, wait, console)
    console.print(summary(record, place))


def _run(place: Workspace, overrides: Sequence[str], reopen: bool, wait: float, console: Console) -> dict[str, Any]:
    # Prefect's own log lines would break the bars; on a worker, where nobody watches, they stay
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    console.print("Starting: loading torch, Prefect, MLflow, DVC …", style="dim")
    from flows.progress import bars
    from flows.round import rlhf_round
    from tasks.opening import drop

    if reopen:
        drop(place)
    with bars(console):
        record = rlhf_round(list(overrides), str(place.root), wait=wait)
    assert record is not None  # only a deployment that waits for feedback may find nothing to do
    return record
