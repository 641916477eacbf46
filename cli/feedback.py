"""`rounds feedback import` and `inspect`: add records to the inbox, or look at them first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.app import Folder, Panel, group
from cli.display.console import console, counted

if TYPE_CHECKING:
    from tasks.state.intake import HandedIn

feedback = group("feedback", "Look at feedback, and hand it in for the next round.", Panel.FEEDBACK)


FieldMapFile = Annotated[
    Path | None,
    typer.Option("--map", metavar="FILE", help="A map of the columns (YAML), for files of no known form."),
]


@feedback.command("import")
def import_files(
    files: Annotated[list[Path], typer.Argument(help="Files of records, or folders of such files (docs/feedback.md).")],
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Skip records that cannot be used; write them to a file beside, with reasons."),
    ] = False,
    map_file: FieldMapFile = None,
    folder: Folder = None,
) -> None:
    """Add feedback to the inbox. With enough records, a Prefect deployment starts a round."""
    from feedback import fieldmap
    from tasks.state import intake
    from tasks.state.workspace import current_or_planned
    from tasks.tools.events import configured, send_feedback_ready

    workspace, out = current_or_planned(folder), console()
    handed_in = intake.hand_in(workspace, files, skip_bad, fieldmap.load(map_file) if map_file else None)
    for line in _report(handed_in):
        out.print(line, soft_wrap=True)
    waiting = intake.count(workspace)
    counted = f"{waiting.records} records wait in {workspace.inbox}"
    out.print(f"{counted}; a deployment starts a round at {waiting.threshold}.", soft_wrap=True)
    if waiting.enough and configured() and send_feedback_ready(workspace, *waiting):
        out.print("Notified the Prefect server that a round can start.")


@feedback.command()
def inspect(file: Annotated[Path, typer.Argument(help="A file of records.")], map_file: FieldMapFile = None) -> None:
    """Show what a file is, three of its records as they would be read, and what cannot be used. Changes nothing."""
    from cli.display.inspected import lines
    from feedback import fieldmap, inspection

    out = console()
    for line in lines(inspection.inspect(file, fieldmap.load(map_file) if map_file else None), map_file):
        out.print(line, soft_wrap=True)


def _report(handed_in: HandedIn) -> list[str]:
    taken = f"Took in {counted(handed_in.records, 'record')} from {counted(handed_in.files, 'file')}."
    skipped = [f"Skipped {handed_in.rejected} records; they are in:"] if handed_in.rejected else []
    return [taken, *skipped, *(f"  {path}" for path in handed_in.rejects)]
