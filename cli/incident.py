"""`rounds incident …`: open, note, close, list, show. docs/incidents.md is the runbook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.app import Folder, Panel, group
from cli.display import person
from cli.display.console import console, grid, plain
from core.errors import NotFound

if TYPE_CHECKING:
    from tasks.registry.audit import AuditEntry
    from tasks.registry.incidents import Incident

incident = group("incident", "Record incidents: who, what, which version, when.", Panel.CHAMPION)

By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Your name. Default: the login name.")]
Number = Annotated[int, typer.Argument(metavar="ID", help="The number of the incident, see `list`.")]


@incident.command("open")
def open_(
    what: Annotated[str, typer.Option("--what", help="What is wrong, in one sentence.")],
    version: Annotated[
        str | None, typer.Option("--version", help="Version of the policy. Default: the champion.")
    ] = None,
    by: By = None,
    folder: Folder = None,
) -> None:
    """Open an incident for a version of the policy."""
    from tasks.registry import incidents
    from tasks.registry.alias import Registry
    from tasks.state.choosing import current

    workspace = current(folder)
    registry = Registry(workspace.root)
    subject = version or registry.alias()
    if subject is None:
        raise NotFound("there is no champion yet; name the version with --version")
    opened = incidents.begin(workspace.audit, what, registry.version(subject).version, by or person.name())
    console().print(f"Incident {opened.number} is open for policy version {subject}.")


@incident.command()
def note(
    number: Number,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What was observed or done.")],
    by: By = None,
    folder: Folder = None,
) -> None:
    """Add a note to the timeline of an incident."""
    from tasks.registry import incidents
    from tasks.state.choosing import current

    incidents.note(current(folder).audit, number, text, by or person.name())


@incident.command()
def close(
    number: Number,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="How it was resolved.")],
    by: By = None,
    folder: Folder = None,
) -> None:
    """Close an incident."""
    from tasks.registry import incidents
    from tasks.state.choosing import current

    incidents.close(current(folder).audit, number, text, by or person.name())
    console().print(f"Incident {number} is closed.")


@incident.command("list")
def list_(folder: Folder = None) -> None:
    """Show all incidents, newest first."""
    from tasks.registry import incidents
    from tasks.state.choosing import current

    every = incidents.every(current(folder).audit)
    if not every:
        console().print("No incidents.")
        return
    table = grid("incident", "version", "opened", "by", "state", "what")
    for incident_ in reversed(every):
        state = plain("open", style="red") if incident_.open else "closed"
        table.add_row(
            str(incident_.number), incident_.version, _minute(incident_.lines[0]), incident_.who, state, incident_.what
        )
    console().print(table)


@incident.command()
def show(number: Number, folder: Folder = None) -> None:
    """Show the timeline of an incident: its notes, and each promotion or rollback of its version."""
    from tasks.registry import incidents
    from tasks.state.choosing import current

    workspace, out = current(folder), console()
    incident_ = incidents.find(workspace.audit, number)
    state = "open" if incident_.open else "closed"
    out.print(
        f"incident {incident_.number} ({state}), policy version {incident_.version}: {incident_.what}", style="bold"
    )
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for entry in incidents.timeline(workspace.audit, incident_):
        table.add_row(_minute(entry), entry.who, _event(entry))
    out.print(table)


def sentences(every: Sequence[Incident]) -> list[str]:
    """One sentence per open incident."""
    return [
        f"incident {incident_.number} is open for version {incident_.version}: {incident_.what}"
        for incident_ in every
        if incident_.open
    ]


def _event(entry: AuditEntry) -> str:
    facts = entry.facts
    if "now" in facts:
        move = f"{entry.event}: version {facts['left'] or 'none'} → {facts['now'] or 'none'}"
        return f"{move}: {facts['reason']}" if "reason" in facts else move
    return f"{entry.event.removeprefix('incident ')}: {facts['said']}"


def _minute(entry: AuditEntry) -> str:
    return entry.at[:16].replace("T", " ") + " UTC"
