"""Differences between audit log, records and registry, as every command prints them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console

from cli.display.commands import completed

if TYPE_CHECKING:
    from tasks.registry.consistency import Disagreement

STYLES = {"error": "red", "warning": "yellow"}
"""Severity → style of the line."""


def print_differences(out: Console, differences: "Iterable[Disagreement]") -> None:
    """Print one line per difference: its severity, the problem, and the commands that cure it."""
    for difference in differences:
        line = completed(f"{difference.severity}: {difference}")
        out.print(line, style=STYLES[difference.severity], soft_wrap=True)
