"""`rounds promote`: promote a version manually."""

from typing import Annotated

import typer

from cli.app import Folder, Panel, app
from cli.display import person
from cli.display.console import console


@app.command(rich_help_panel=Panel.CHAMPION)
def promote(
    version: Annotated[str, typer.Argument(help="A registered version of the policy, by number.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; written to the audit log.")],
    force: Annotated[bool, typer.Option("--force", help="Override a rejection or a rollback.")] = False,
    unverified: Annotated[
        bool, typer.Option("--unverified", help="Also a version whose digest nobody vouches for; see `rounds adopt`.")
    ] = False,
    folder: Folder = None,
) -> None:
    """Promote a version manually; --force overrides a rejection."""
    from tasks.registry import promotion
    from tasks.registry.alias import Registry
    from tasks.state.choosing import current

    registry = Registry(current(folder).root)
    before = registry.alias()
    outcome = promotion.by_hand(registry, version, reason, person.name(), force, unverified)
    if outcome == "noop":
        console().print(f"policy@champion is already version {version}.")
    else:
        console().print(f"policy@champion is now version {version}; it was {before or 'unset'}.")
