"""`rounds approve`: record a person's decision on a candidate, then resume the run that waits for it."""

from typing import Annotated

import typer

from cli.app import Folder, Panel, app
from cli.display.commands import completed
from cli.display.console import console


@app.command(rich_help_panel=Panel.FEEDBACK)
def approve(
    number: Annotated[int, typer.Argument(metavar="ROUND", help="The number of the round that waits for approval.")],
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides; written to the audit log.")],
    why: Annotated[str, typer.Option("--why", help="The reason; written to the audit log.")],
    refuse: Annotated[bool, typer.Option("--refuse", help="Refuse the candidate: the verdict becomes hold.")] = False,
    folder: Folder = None,
) -> None:
    """Approve the candidate of a round that waits for approval, or refuse it."""
    from tasks.people import approval
    from tasks.state.choosing import current

    made, resumption = approval.decide_and_resume(current(folder), number, not refuse, by, why)
    decision = "refused" if refuse else "approved"
    next_step = "its run was resumed" if resumption.resumed else "`rounds round` finishes the round"
    out = console()
    out.print(completed(f"Round {number}: {decision} by {made.by}; {next_step}."), soft_wrap=True)
    if resumption.problem:
        out.print(completed(f"Its run was not resumed: {resumption.problem}"), style="yellow", soft_wrap=True)
