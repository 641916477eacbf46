"""`rounds cooldown`: show or end the time after a rollback in which no round promotes."""

from typing import Annotated

import typer

from cli.app import Folder, Panel, app
from cli.display import person
from cli.display.console import console
from core.errors import BadParams


@app.command(rich_help_panel=Panel.CHAMPION)
def cooldown(
    lift: Annotated[bool, typer.Option("--lift", help="End the cooldown: rounds may promote again.")] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; written to the audit log.")] = None,
    folder: Folder = None,
) -> None:
    """Show or end the cooldown: the time after a rollback in which no round promotes."""
    from tasks.registry.alias import Registry
    from tasks.state.choosing import current

    workspace = current(folder)
    registry = Registry(workspace.root)
    if not lift:
        from tasks.registry import promotion

        cooling = registry.cooling(promotion.knobs(workspace).cooldown)
        state = f"Cooling down: {cooling}." if cooling else "No cooldown: rounds can promote."
        console().print(state, soft_wrap=True)
        return
    if not reason:
        raise BadParams("--lift needs a reason for the audit log; add --reason TEXT")
    lifted = registry.lift(reason, person.name())
    console().print("The cooldown is over: rounds can promote again." if lifted else "There was no cooldown.")
