"""`rounds node`: lend this machine to rounds that train on several machines."""

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from cli.app import Folder, Panel, app
from cli.display.console import console

Below = Annotated[
    Path | None,
    typer.Option(
        help="Instead of a workspace: the folder for temporary files (TMPDIR) of a worker of a work pool, for the "
        "steps that it runs.",
        exists=True,
        file_okay=False,
    ),
]


@app.command(rich_help_panel=Panel.SERVICES)
def node(folder: Folder = None, below: Below = None) -> None:
    """Train along in rounds that another machine runs in the same workspace (`launch.nodes`), until Ctrl-C.

    All machines see the folder, at whatever path. They meet at the address in ROUNDS_RENDEZVOUS, an environment
    variable on the machine of the round.
    """
    from tasks.rounds.node import follow, of_workers
    from tasks.state.choosing import current

    if below and folder:
        raise typer.BadParameter(
            "steps of a worker have workspaces of their own: leave out --workspace", param_hint="--below"
        )
    signal.signal(signal.SIGTERM, _leave)
    out = console()
    where = below.resolve() if below else current(folder).root
    out.print(f"Waits for steps that train on several machines, in {where}. Ctrl-C ends it.", soft_wrap=True)
    workspaces = [] if below else [current(folder)]
    follow(lambda: workspaces or of_workers(where), lambda text: out.print(text, soft_wrap=True, markup=False))


def _leave(number: int, frame: FrameType | None) -> None:
    """End as after Ctrl-C, with the ranks: by itself, SIGTERM does not end the first process of a container."""
    sys.exit(128 + number)
