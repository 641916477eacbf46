"""`rounds incident …`: open, note, close, list, show. docs/incidents.md is the runbook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.app import Folder, Panel, group
from cli.display import person
from cli.display.console import console, grid, plain
from core.errors import BadParams

if TYPE_CHECKING:
    from tasks.registry.audit import AuditEntry
    from tasks.registry.incidents import Incident

incident = group("incident", "Keep the record of what went wrong: who, what, which version, when.", Panel.CHAMPION)

By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who. Default: whoever is logged in.")]
Number = Annotated[int, typer.Argument(metavar="ID", help="The incident's number, see `list`.")]


@incident.command("open")
def open_(
    what: Annotated[str, typer.Option("--what", help="What is wrong, in a sentence.")],
    version: Annotated[str | None, typer.Option("--version", help="Of the policy. Default: the champion.")] = None,
    by: By = None,
    workspace: Folder = None,
) -> None:
    """Open an incident about a version of the policy."""
    from tasks.registry import incidents
    from tasks.registry.alias import Registry
    from tasks.state.workspace import current

    place = current(workspace)
    registry = Registry(place.root)
    subject = version or registry.alias()
    if subject is None:
        raise BadParams("there is no champion yet; name the version with --version")
    begun = incidents.begin(place.audit, what, registry.version(subject).version, by or person.name())
    console().print(f"Incident {begun.number} is open, about policy version {subject}.")


@incident.command()
def note(
    number: Number,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What was found or done.")],
    by: By = None,
    workspace: Folder = None,
) -> None:
    """Add to the timeline of an incident."""
    from tasks.registry import incidents
    from tasks.state.workspace import current

    incidents.note(current(workspace).audit, number, text, by or person.name())


@incident.command()
def close(
    number: Number,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="How it ended.")],
    by: By = None,
    workspace: Folder = None,
) -> None:
    """Close an incident."""
    from tasks.registry import incidents
    from tasks.state.workspace import current

    incidents.close(current(workspace).audit, number, text, by or person.name())
    console().print(f"Incident {number} is closed.")


@incident.command("list")
def list_(workspace: Folder = None) -> None:
    """Show all incidents, newest first."""
    from tasks.registry import incidents
    from tasks.state.workspace import current

    found = incidents.every(current(workspace).audit)
    if not found:
        console().print("No incident so far.")
        return
    table = grid("incident", "version", "opened", "by", "state", "what")
    for one in reversed(found):
        state = plain("open", style="red") if one.open else "closed"
        table.add_row(str(one.number), one.version, _minute(one.lines[0]), one.who, state, one.what)
    console().print(table)


@incident.command()
def show(number: Number, workspace: Folder = None) -> None:
    """Show the timeline of an incident: what was said, and each move of its version."""
    from tasks.registry import incidents
    from tasks.state.workspace import current

    place, out = current(workspace), console()
    one = incidents.find(place.audit, number)
    state = "open" if one.open else "closed"
    out.print(f"incident {one.number} ({state}), policy version {one.version}: {one.what}", style="bold")
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for entry in incidents.timeline(place.audit, one):
        table.add_row(_minute(entry), entry.who, _told(entry))
    out.print(table)


def sentences(found: Sequence[Incident]) -> list[str]:
    """The open ones among incidents, a sentence each."""
    return [f"incident {one.number} is open on version {one.version}: {one.what}" for one in found if one.open]


def _told(entry: AuditEntry) -> str:
    facts = entry.facts
    if "now" in facts:
        move = f"{entry.event}: version {facts['left'] or 'none'} → {facts['now'] or 'none'}"
        return f"{move}: {facts['reason']}" if "reason" in facts else move
    return f"{entry.event.removeprefix('incident ')}: {facts['said']}"


def _minute(entry: AuditEntry) -> str:
    return entry.at[:16].replace("T", " ") + " UTC"
