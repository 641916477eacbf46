"""`rounds votes pull`, `push` and `status`: export the pairs of a round that waits for votes, and import the votes."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.app import Folder, Panel, group
from cli.display.commands import completed
from cli.display.console import console, print_json
from core.errors import BadParams

if TYPE_CHECKING:
    from tasks.people.waiting import Wait

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}

votes = group(
    "votes", "Export the pairs of a round that waits for votes of people, and import their votes.", Panel.FEEDBACK
)


@votes.command()
def pull(
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="FILE", dir_okay=False, help="Output file. Default: standard output."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Maximum number of pairs.")] = None,
    annotator: Annotated[
        str | None,
        typer.Option("--annotator", metavar="NAME", help="Take pairs for this annotator who has not voted on them."),
    ] = None,
    time: Annotated[
        str, typer.Option("--for", metavar="TIME", help="How long the pairs are kept for the annotator: 30m, 2h, 1d.")
    ] = "2h",
    folder: Folder = None,
) -> None:
    """Export pairs, blinded, as JSON lines in the canonical form (docs/feedback.md)."""
    from core.files import write_text
    from tasks.people import polls
    from tasks.state.choosing import current

    lines = list(polls.as_lines(polls.pull(current(folder), annotator, limit, _duration(time))))
    if into is None:
        for line in lines:
            print_json(json.loads(line), indent=None, exact=True)
        return
    write_text(into.absolute(), "".join(lines))
    console().print(f"Wrote {len(lines)} pairs to {into}.", soft_wrap=True)


@votes.command()
def push(
    files: Annotated[list[Path], typer.Argument(help="Pulled pairs with judgements and annotator_id added.")],
    folder: Folder = None,
) -> None:
    """Import votes. With enough votes, the round continues."""
    from tasks.people import polls
    from tasks.people.pending import pending
    from tasks.state.choosing import current

    workspace, out = current(folder), console()
    pushed = polls.push(workspace, files)
    out.print(f"{pushed.new} new votes, {pushed.changed} changed, {pushed.repeated} already known.")
    if awaited := pending(workspace):  # otherwise the round has continued in the meantime
        out.print(completed(_continued(awaited.wait) if awaited.ready else str(awaited)), soft_wrap=True)


@votes.command()
def status(folder: Folder = None) -> None:
    """Show how many votes are in, and how many pairs people hold."""
    from tasks.people import polls
    from tasks.people.pending import pending
    from tasks.state.choosing import current

    workspace, out = current(folder), console()
    progress = polls.progress(workspace)
    if awaited := pending(workspace):
        out.print(completed(str(awaited)), soft_wrap=True)
    if progress and progress.items:
        out.print(f"{progress.finished} judgements on {progress.items} pairs; {progress.held} pairs are held.")


def _duration(text: str) -> timedelta:
    match = re.fullmatch(r"(\d+)([mhd])", text)
    if match is None or int(match[1]) == 0:
        raise BadParams(f"--for {text!r} is not a time; write it as 30m, 2h or 1d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _continued(wait: Wait) -> str:
    from tasks.tools.events import resume

    resumption = resume(wait.flow_run)
    if resumption.resumed:
        return f"Enough votes: resumed the run of round {wait.round} on the Prefect server."
    problem = f" Its run was not resumed: {resumption.problem}" if resumption.problem else ""
    return f"Enough votes: continue round {wait.round} with `rounds round`.{problem}"
