"""`rounds promote`, `rollback` and `cooldown`: manual decisions about the champion."""

from typing import Annotated

import typer

from cli.app import Folder, Panel, app
from cli.display import person
from cli.display.console import console
from core.errors import BadParams


@app.command(rich_help_panel=Panel.CHAMPION)
def promote(
    version: Annotated[str, typer.Argument(help="A registered version of the policy, by number.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; written to the audit log.")],
    force: Annotated[bool, typer.Option("--force", help="Override a rejection or a rollback.")] = False,
    folder: Folder = None,
) -> None:
    """Promote a version manually; --force overrides a rejection."""
    from tasks.registry import promotion
    from tasks.registry.alias import Registry
    from tasks.state.workspace import current

    registry = Registry(current(folder).root)
    before = registry.alias()
    outcome = promotion.by_hand(registry, version, reason, person.name(), force)
    if outcome == "noop":
        console().print(f"policy@champion is already version {version}.")
    else:
        console().print(f"policy@champion is now version {version}; it was {before or 'unset'}.")


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
    from tasks.state.workspace import current

    left, now = Registry(current(folder).root).rollback(to, reason, person.name())
    if left == now:
        console().print(f"policy@champion is already version {now.version}.")
        return
    message = f"policy@champion is now version {now.version}. Version {left.version} will not be promoted again by a"
    console().print(f"{message} schedule; no round promotes during the cooldown (`rounds cooldown`).", soft_wrap=True)


@app.command(rich_help_panel=Panel.CHAMPION)
def cooldown(
    lift: Annotated[bool, typer.Option("--lift", help="End the cooldown: rounds may promote again.")] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; written to the audit log.")] = None,
    folder: Folder = None,
) -> None:
    """Show or end the cooldown: the time after a rollback in which no round promotes."""
    from tasks.registry.alias import Registry
    from tasks.state.workspace import current

    workspace = current(folder)
    registry = Registry(workspace.root)
    if not lift:
        from tasks.registry import promotion

        cooling = registry.cooling(promotion.knobs(workspace).cooldown)
        state = f"Cooling down: {cooling}." if cooling else "No cooldown: rounds can promote."
        console().print(state, soft_wrap=True)
        return
    if not reason:
        raise BadParams("--lift needs --reason TEXT; the reason is written to the audit log")
    lifted = registry.lift(reason, person.name())
    console().print("The cooldown is over: rounds can promote again." if lifted else "There was no cooldown.")
