"""Handing in feedback: durable before it is acknowledged; enough of it starts a round."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from core.errors import BadFeedback
from core.files import replacing
from feedback.schema import Rejected
from feedback.sources import Intake
from feedback.sources.jsonl import JSONL
from flows.orchestration.server import configured
from tasks.state.intake import knobs, pending
from tasks.state.workspace import Workspace, current_or_new


def hand_in(folder: Path | None, files: Sequence[Path]) -> None:
    """Check files of feedback, put them into the inbox, and say so to whoever waits for it.

    Raises:
        BadFeedback: a record cannot be used; names file, line and reason. Then nothing was taken in.
    """
    from tasks.tools.events import feedback_ready

    place = current_or_new(folder)
    for file in files:
        _check(file)
    for file in files:
        _keep(place, file)
    waiting = count(place)
    console = Console()
    console.print(f"{waiting.records} records wait in {place.inbox}; a round starts by itself at {waiting.threshold}.")
    if waiting.enough and configured() and feedback_ready(place, *waiting):
        console.print("The Prefect server was told that a round can start.")


class Waiting(NamedTuple):
    """How many records wait in the inbox, and how many start a round."""

    records: int
    threshold: int

    @property
    def enough(self) -> bool:
        """True where a round can start."""
        return self.records >= self.threshold

    def __str__(self) -> str:
        return f"{self.records} of {self.threshold} records wait"


def count(place: Workspace, overrides: Sequence[str] = ()) -> Waiting:
    """What no round has taken in yet, and `ingest.threshold`."""
    return Waiting(pending(place), knobs(place, overrides).threshold)


def _check(file: Path) -> None:
    bad = [record for record in JSONL(path=file).read(Intake(0, 0)) if isinstance(record, Rejected)]
    if bad:
        shown = "\n".join(f"  {record.where}: {record.reason}" for record in bad[:5])
        raise BadFeedback(f"{file}: {len(bad)} records cannot be used, nothing was taken in:\n{shown}")


def _keep(place: Workspace, file: Path) -> None:
    """Copy under a name made from the content: handed in twice, it is the same file."""
    content = file.read_bytes()
    with replacing(place.inbox / f"{hashlib.sha256(content).hexdigest()[:16]}.jsonl") as draft:
        draft.write_bytes(content)
