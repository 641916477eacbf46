"""`rounds promote`, `rollback` and `cooldown`: what a person decides about the champion."""

from typing import Annotated

import typer

from cli.app import Folder, Panel, app
from cli.display import person
from cli.display.console import console
from core.errors import BadParams


@app.command(rich_help_panel=Panel.CHAMPION)
def promote(
    version: Annotated[str, typer.Argument(help="A registered version of the policy, by number.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes to the audit log.")],
    force: Annotated[bool, typer.Option("--force", help="Even if it was rejected or rolled back.")] = False,
    workspace: Folder = None,
) -> None:
    """Make a version of the policy champion by hand: one that was held, or with --force any."""
    from tasks.registry import promotion
    from tasks.registry.alias import Registry
    from tasks.state.workspace import current

    registry = Registry(current(workspace).root)
    before = registry.alias()
    done = promotion.by_hand(registry, version, reason, person.name(), force)
    if done == "noop":
        console().print(f"policy@champion is version {version} already.")
    else:
        console().print(f"policy@champion is version {version} now; before it was {before or 'unset'}.")


@app.command(rich_help_panel=Panel.CHAMPION)
def rollback(
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes to the audit log.")],
    to: Annotated[str | None, typer.Option("--to", metavar="VERSION", help="Default: the champion before.")] = None,
    workspace: Folder = None,
) -> None:
    """Make an earlier version of the policy champion again."""
    # nothing of Prefect is imported: in an emergency that is time
    from tasks.registry.alias import Registry
    from tasks.state.workspace import current

    left, now = Registry(current(workspace).root).rollback(to, reason, person.name())
    if left == now:
        console().print(f"policy@champion is version {now.version} already.")
        return
    moved = f"policy@champion is version {now.version} now. Version {left.version} is not promoted again by a schedule,"
    console().print(f"{moved} and no round promotes for a while: `rounds cooldown`.", soft_wrap=True)


@app.command(rich_help_panel=Panel.CHAMPION)
def cooldown(
    lift: Annotated[bool, typer.Option("--lift", help="Let rounds promote again.")] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; it goes to the audit log.")] = None,
    workspace: Folder = None,
) -> None:
    """Show, or end, the time after a rollback in which no round promotes."""
    from tasks.registry.alias import Registry
    from tasks.state.workspace import current

    place = current(workspace)
    registry = Registry(place.root)
    if not lift:
        from tasks.registry import promotion

        cooling = registry.cooling(promotion.knobs(place).cooldown)
        state = f"Cooling down: {cooling}." if cooling else "No cooldown: a round whose verdict is promote promotes."
        console().print(state, soft_wrap=True)
        return
    if not reason:
        raise BadParams("--lift needs --reason: why may rounds promote again? It goes to the audit log")
    lifted = registry.lift(reason, person.name())
    console().print("The cooldown is over: rounds promote again." if lifted else "There was no cooldown.")
