"""Rollback and promotion by hand, and the cooldown in between: what a person decides about the champion."""

from pathlib import Path

from rich.console import Console

from cli.display import person
from core.errors import BadParams
from tasks.registry import promotion
from tasks.registry.alias import Registry
from tasks.state.workspace import current


def promote_by_hand(folder: Path | None, version: str, reason: str, force: bool) -> None:
    """Make a version champion because a person says so, and say which one it took over from."""
    registry = Registry(current(folder).root)
    before = registry.alias()
    done = promotion.by_hand(registry, version, reason, person.name(), force)
    if done == "noop":
        Console().print(f"policy@champion is version {version} already.")
    else:
        Console().print(f"policy@champion is version {version} now; before it was {before or 'unset'}.")


def rollback_by_hand(folder: Path | None, to: str | None, reason: str) -> None:
    """Make an earlier version champion again. Nothing of Prefect is loaded: in an emergency that is time."""
    left, now = Registry(current(folder).root).rollback(to, reason, person.name())
    if left == now:
        Console().print(f"policy@champion is version {now.version} already.")
        return
    said = f"policy@champion is version {now.version} now. Version {left.version} is not promoted again by a schedule,"
    Console().print(f"{said} and no round promotes for a while: `rounds cooldown`.", soft_wrap=True)


def show_cooldown(folder: Path | None, lift: bool, reason: str | None) -> None:
    """Say until when rounds promote nothing; with `lift`, let them again.

    Raises:
        BadParams: to be lifted, and no reason is given.
    """
    workspace = current(folder)
    registry = Registry(workspace.root)
    if not lift:
        cooling = registry.cooling(promotion.knobs(workspace).cooldown)
        said = f"Cooling down: {cooling}." if cooling else "No cooldown: a round whose verdict is promote promotes."
        Console().print(said, soft_wrap=True)
        return
    if not reason:
        raise BadParams("--lift needs --reason: why may rounds promote again? It goes to the audit log")
    lifted = registry.lift(reason, person.name())
    Console().print("The cooldown is over: rounds promote again." if lifted else "There was no cooldown.")
