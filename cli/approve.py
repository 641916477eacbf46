"""`rounds approve`: a person's decision on a candidate is written down, then the run that waits for it is resumed."""

from typing import Annotated

import typer

from cli.app import Folder, Panel, app
from cli.display.console import console


@app.command(rich_help_panel=Panel.FEEDBACK)
def approve(
    number: Annotated[int, typer.Argument(metavar="ROUND", help="The round that waits for it, by number.")],
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides; it goes to the audit log.")],
    why: Annotated[str, typer.Option("--why", help="The reason; it goes to the audit log.")],
    refuse: Annotated[bool, typer.Option("--refuse", help="Do not promote it: the verdict becomes hold.")] = False,
    workspace: Folder = None,
) -> None:
    """Approve the candidate of a round that waits for approval, or refuse it."""
    from tasks.people import approval, waiting
    from tasks.state.workspace import current
    from tasks.tools.events import resume

    place = current(workspace)
    wait = waiting.of(place, "approval")
    made = approval.decide(place, number, not refuse, by, why)
    resumed = wait is not None and resume(wait.flow_run, {"approve": made.approve, "by": made.by, "why": made.why})
    decision = "refused" if refuse else "approved"
    then = "its run was resumed" if resumed else "`rounds round` ends the round"
    console().print(f"Round {number}: {decision} by {made.by}; {then}.", soft_wrap=True)
