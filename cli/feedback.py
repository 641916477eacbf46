"""Handing in feedback: durable before it is acknowledged; enough of it starts a round."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tasks.state import intake
from tasks.state.workspace import current_or_new


def hand_in(folder: Path | None, files: Sequence[Path]) -> None:
    """Check files of feedback, put them into the inbox, and say so to whoever waits for it.

    Raises:
        BadFeedback: a record cannot be used; names file, line and reason. Then nothing was taken in.
    """
    from tasks.tools.events import configured, feedback_ready

    workspace = current_or_new(folder)
    intake.hand_in(workspace, files)
    waiting = intake.count(workspace)
    console = Console()
    console.print(
        f"{waiting.records} records wait in {workspace.inbox}; a round starts by itself at {waiting.threshold}."
    )
    if waiting.enough and configured() and feedback_ready(workspace, *waiting):
        console.print("The Prefect server was told that a round can start.")
