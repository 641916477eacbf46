"""`rounds rollback`: roll back to an earlier champion."""

from typing import Annotated

import typer

from cli.app import Folder, Panel, app
from cli.display import person
from cli.display.commands import completed
from cli.display.console import console


@app.command(rich_help_panel=Panel.CHAMPION)
def rollback(
    reason: Annotated[str, typer.Option("--reason", help="Why; written to the audit log.")],
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="VERSION", help="Version to go back to. Default: the previous champion."),
    ] = None,
    folder: Folder = None,
) -> None:
    """Roll back to an earlier champion."""
    # Prefect is not imported: that would cost seconds in an emergency
    from tasks.registry.alias import Registry
    from tasks.state.choosing import current

    left, now = Registry(current(folder).root).rollback(to, reason, person.name())
    if left == now:
        console().print(f"policy@champion is already version {now.version}.")
        return
    message = f"policy@champion is now version {now.version}. Version {left.version} will not be promoted again by a"
    during = "no round promotes during the cooldown (`rounds cooldown`)"
    console().print(completed(f"{message} schedule; {during}."), soft_wrap=True)
