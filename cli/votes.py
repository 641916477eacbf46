"""`rounds votes pull` and `push`: the pairs of a round that waits for people's votes, and their votes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.app import Folder, Panel, group
from cli.display.console import as_json, console

if TYPE_CHECKING:
    from tasks.people.waiting import Wait

votes = group(
    "votes", "Hand out the pairs of a round that waits for people's votes, and take the votes in.", Panel.FEEDBACK
)


@votes.command()
def pull(
    into: Annotated[
        Path | None, typer.Option("--into", metavar="FILE", dir_okay=False, help="Default: standard output.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Pairs at most.")] = None,
    annotator: Annotated[
        str | None, typer.Option("--annotator", metavar="NAME", help="Who votes: pairs without a vote of theirs.")
    ] = None,
    workspace: Folder = None,
) -> None:
    """Hand out pairs, blinded, as JSON lines in the canonical form (docs/feedback.md)."""
    from core.files import write_text
    from tasks.people import polls
    from tasks.state.workspace import current

    lines = list(polls.as_lines(polls.pull(current(workspace), annotator, limit)))
    if into is None:
        for line in lines:
            print(as_json(json.loads(line), indent=None))
        return
    write_text(into.absolute(), "".join(lines))
    console().print(f"{len(lines)} pairs in {into}.", soft_wrap=True)


@votes.command()
def push(
    files: Annotated[list[Path], typer.Argument(help="Pairs as they were pulled, with judgements and annotator_id.")],
    workspace: Folder = None,
) -> None:
    """Take votes in; enough of them, and the round goes on."""
    from tasks.people import polls
    from tasks.people.pending import pending
    from tasks.state.workspace import current

    place, out = current(workspace), console()
    pushed = polls.push(place, files)
    out.print(f"{pushed.new} new votes, {pushed.changed} changed, {pushed.repeated} known.")
    if awaited := pending(place):  # else the round has gone on this very moment
        out.print(_continued(awaited.wait) if awaited.ready else str(awaited), soft_wrap=True)


def _continued(wait: Wait) -> str:
    from tasks.tools.events import resume

    if resume(wait.flow_run):
        return f"Enough: round {wait.round} goes on, its run on the Prefect server was resumed."
    return f"Enough: `rounds round` goes on with round {wait.round}."
