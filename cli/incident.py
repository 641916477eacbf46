"""`rounds incident …`: open, note, close, list, show. docs/incidents.md says what to do in one."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.display import person
from core.errors import BadParams
from tasks.registry import incidents
from tasks.registry.alias import Registry
from tasks.registry.audit import AuditEntry
from tasks.registry.incidents import Incident
from tasks.state.workspace import current


def open_incident(folder: Path | None, what: str, version: str | None, who: str | None) -> None:
    """Open an incident about a version, by default the champion.

    Raises:
        BadModel: there is no such version.
        BadParams: none is named, and there is no champion.
    """
    workspace = current(folder)
    registry = Registry(workspace.root)
    subject = version or registry.alias()
    if subject is None:
        raise BadParams("there is no champion yet; name the version with --version")
    incident = incidents.begin(workspace.audit, what, registry.version(subject).version, who or person.name())
    Console().print(f"Incident {incident.number} is open, about policy version {subject}.")


def note_incident(folder: Path | None, number: int, said: str, who: str | None) -> None:
    """Add to the timeline of an incident."""
    incidents.note(current(folder).audit, number, said, who or person.name())


def close_incident(folder: Path | None, number: int, said: str, who: str | None) -> None:
    """Close an incident."""
    incidents.close(current(folder).audit, number, said, who or person.name())
    Console().print(f"Incident {number} is closed.")


def list_incidents(folder: Path | None) -> None:
    """Print all incidents, newest first."""
    found = incidents.every(current(folder).audit)
    if not found:
        Console().print("No incident so far.")
        return
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in ("incident", "version", "opened", "by", "state", "what"):
        table.add_column(column)
    for one in reversed(found):
        state = "[red]open[/red]" if one.open else "closed"
        table.add_row(str(one.number), one.version, _minute(one.lines[0]), escape(one.who), state, escape(one.what))
    Console().print(table)


def show_incident(folder: Path | None, number: int) -> None:
    """Print who said and did what, and when."""
    workspace, console = current(folder), Console(highlight=False)
    one = incidents.find(workspace.audit, number)
    said = "open" if one.open else "closed"
    console.print(
        f"incident {one.number} ({said}), policy version {one.version}: {one.what}", style="bold", markup=False
    )
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for entry in incidents.timeline(workspace.audit, one):
        table.add_row(_minute(entry), escape(entry.who), escape(_told(entry)))
    console.print(table)


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
