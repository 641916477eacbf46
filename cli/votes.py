"""Fresh votes by people: pairs out, votes in; with enough of them the round goes on."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from core.files import write_text
from tasks.people import polls
from tasks.people.pending import pending
from tasks.people.waiting import Wait
from tasks.state.workspace import current


def hand_out(folder: Path | None, into: Path | None, limit: int | None, annotator: str | None) -> None:
    """Write pairs to a file, or print them."""
    text = "".join(polls.as_lines(polls.pull(current(folder), annotator, limit)))
    if into is None:
        print(text, end="")
        return
    write_text(into.absolute(), text)
    Console().print(f"{len(text.splitlines())} pairs in {into}.", soft_wrap=True)


def take_in(folder: Path | None, files: Sequence[Path]) -> None:
    """Check and keep votes, say how many are missing, and resume the run that waits for them."""
    workspace, console = current(folder), Console(highlight=False)
    pushed = polls.push(workspace, files)
    console.print(f"{pushed.new} new votes, {pushed.changed} changed, {pushed.repeated} known.")
    if found := pending(workspace):  # else the round has gone on this very moment
        console.print(_went_on(found.wait) if found.ready else str(found), soft_wrap=True)


def _went_on(wait: Wait) -> str:
    from tasks.tools.events import resume

    if resume(wait.flow_run):
        return f"Enough: round {wait.round} goes on, its run on the Prefect server was resumed."
    return f"Enough: `rounds round` goes on with round {wait.round}."
