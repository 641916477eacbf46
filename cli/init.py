"""`rounds init`: make a workspace without running anything."""

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from cli import presets
from cli.app import Panel, app
from cli.display.console import console


@app.command(rich_help_panel=Panel.ROUNDS)
def init(
    workspace: Annotated[Path, typer.Argument(metavar="WORKSPACE", help="The folder: a new or an empty one.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Its name in messages and on servers. Default: the folder's.")
    ] = None,
    salt: Annotated[
        str | None,
        typer.Option(
            "--salt", help="Salt of the split, to repeat an experiment. Default: random, so that nobody knows it."
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option("--preset", help=f"Start from the params.yaml of a preset: {', '.join(presets.names())}."),
    ] = None,
) -> None:
    """Make a workspace: a folder with dvc.yaml, params.yaml and data/."""
    from tasks.state.choosing import new

    params = presets.text(preset) if preset is not None else None
    made = new(workspace, name, salt, params)
    out = console()
    out.print(f"Made the workspace {made.root}.", soft_wrap=True)
    out.print(
        f"Set its knobs in {made.params}; run its first round with `rounds round -w {quote(str(workspace))}`.",
        soft_wrap=True,
    )
