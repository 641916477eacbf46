"""A person's word on a candidate: written down first, then the run that waits for it is resumed."""

from pathlib import Path

from rich.console import Console

from tasks.people import approval, waiting
from tasks.state.workspace import current


def sign(folder: Path | None, number: int, by: str, why: str, refuse: bool) -> None:
    """Approve or refuse the candidate of the round that waits for it.

    Raises:
        NotAsked: none does, or somebody has decided.
    """
    from tasks.tools.events import resume

    workspace = current(folder)
    wait = waiting.of(workspace, "approval")
    made = approval.decide(workspace, number, not refuse, by, why)
    word = "refused" if refuse else "approved"
    resumed = wait is not None and resume(wait.flow_run, {"approve": made.approve, "by": made.by, "why": made.why})
    then = "its run was resumed" if resumed else "`rounds round` ends the round"
    Console(highlight=False).print(f"Round {number}: {word} by {made.by}; {then}.", soft_wrap=True)
