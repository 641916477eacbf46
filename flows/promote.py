"""Promotion by hand, and the cooldown after a rollback: what a person decides where rounds wait."""

import getpass
from pathlib import Path

from rich.console import Console

from core.errors import BadParams
from tasks import promotion
from tasks.registry import Registry
from tasks.workspace import current


def promote_by_hand(folder: Path | None, version: str, reason: str, force: bool) -> None:
    """Make a version champion because a person says so, and say which one it took over from."""
    registry = Registry(current(folder).root)
    before = registry.alias()
    done = promotion.by_hand(registry, version, reason, getpass.getuser(), force)
    if done == "noop":
        Console().print(f"policy@champion is version {version} already.")
    else:
        Console().print(f"policy@champion is version {version} now; before it was {before or 'unset'}.")


def show_cooldown(folder: Path | None, lift: bool, reason: str | None) -> None:
    """Say until when rounds promote nothing; with `lift`, let them again.

    Raises:
        BadParams: to be lifted, and no reason is given.
    """
    place = current(folder)
    registry = Registry(place.root)
    if not lift:
        cooling = registry.cooling(promotion.knobs(place).cooldown)
        said = f"Cooling down: {cooling}." if cooling else "No cooldown: a round whose verdict is promote promotes."
        Console().print(said, soft_wrap=True)
        return
    if not reason:
        raise BadParams("--lift needs --reason: why may rounds promote again? It goes to the audit log")
    lifted = registry.lift(reason, getpass.getuser())
    Console().print("The cooldown is over: rounds promote again." if lifted else "There was no cooldown.")
