"""The Typer application on which the modules of `cli/` register their commands, and the options they share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from cli.display.commands import keep_overrides, keep_workspace


class Panel(StrEnum):
    """The headings of `rounds --help`, in order; commands under a heading are sorted by name."""

    ROUNDS = "Rounds"
    SERVICES = "Services"
    FEEDBACK = "Feedback, votes and approvals"
    CHAMPION = "The champion"
    HISTORY = "Records"
    ANALYSIS = "Analysis"


class InPanels(TyperGroup):
    """A group that lists its commands by panel, then by name, independent of the order of registration."""

    def list_commands(self, ctx: object) -> list[str]:
        """The names of the commands, in order."""
        panels = [str(panel) for panel in Panel]
        return sorted(self.commands, key=lambda name: (panels.index(self._panel(name)), name))

    def _panel(self, name: str) -> str:
        return str(getattr(self.commands[name], "rich_help_panel", None) or Panel.ROUNDS)


app = typer.Typer(
    cls=InPanels,
    help="Iterative RLHF as an operation: run rounds, inspect them, roll back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Folder = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        help="Folder with dvc.yaml, params.yaml and data/. Made by `rounds init`.",
        callback=keep_workspace,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-S",
        metavar="KEY=VALUE",
        help="Set a knob for this round, e.g. -S policy.kl.target=6.",
        callback=keep_overrides,
    ),
]
New = Annotated[bool, typer.Option("--new", help="Start a new round even if there is no new feedback.")]
LineName = Annotated[
    str | None,
    typer.Option(
        "--line",
        metavar="NAME",
        help="Line of models, where the workspace is in none. Default: $ROUNDS_LINE, or the only one of the server.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def group(name: str, about: str, panel: Panel) -> typer.Typer:
    """A group of commands below one name, `rounds NAME …`, registered on the application."""
    subcommands = typer.Typer(help=about, no_args_is_help=True)
    app.add_typer(subcommands, name=name, rich_help_panel=panel)
    return subcommands
