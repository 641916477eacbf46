"""Incidents with a version of the policy, stored as lines of the audit log.

The hash chain of the log protects incidents too: `audit verify` finds lines that were edited, removed or moved. The
number of an incident is that of its first line, so it is unique even if two are opened at the same time.
"""

from pathlib import Path
from typing import NamedTuple

from core.errors import BadParams, RoundsError
from tasks.registry import audit
from tasks.registry.audit import AuditEntry, Facts

OPENED, NOTED, CLOSED = "incident opened", "incident noted", "incident closed"


class NoIncident(RoundsError):
    """There is no such incident, or it is already closed."""


class Incident(NamedTuple):
    """One incident."""

    number: int
    version: str
    """The affected version of the policy."""
    what: str
    who: str
    """Who opened it."""
    lines: tuple[AuditEntry, ...]
    """Its lines of the audit log, oldest first."""
    open: bool


def begin(log: Path, what: str, version: str, who: str) -> Incident:
    """Open an incident about a version.

    Raises:
        BadParams: the text is empty.
    """
    _check(what)
    return _read(audit.append(log, OPENED, who, version=version, said=what), [])


def note(log: Path, number: int, text: str, who: str) -> None:
    """Add a note to the timeline, also of a closed incident.

    Raises:
        NoIncident: there is no such incident.
        BadParams: the text is empty.
    """
    _check(text)
    find(log, number)
    audit.append(log, NOTED, who, incident=number, said=text)


def close(log: Path, number: int, text: str, who: str) -> None:
    """Close an incident with a text about its outcome.

    Raises:
        NoIncident: there is no such incident, or it is already closed.
        BadParams: the text is empty.
    """
    _check(text)
    if not find(log, number).open:
        raise NoIncident(f"incident {number} is already closed; use `rounds incident note {number} TEXT` to add to it")
    audit.append(log, CLOSED, who, incident=number, said=text)


def every(log: Path) -> list[Incident]:
    """All incidents, oldest first."""
    entries = audit.read(log)
    return [_read(entry, entries) for entry in entries if entry.event == OPENED]


def about(log: Path, version: str) -> list[Incident]:
    """The incidents about a version, oldest first."""
    return [incident for incident in every(log) if incident.version == version]


def find(log: Path, number: int) -> Incident:
    """One incident.

    Raises:
        NoIncident: there is no such incident.
    """
    known = {incident.number: incident for incident in every(log)}
    if number not in known:
        numbers = ", ".join(map(str, known)) or "none"
        raise NoIncident(f"there is no incident {number} in {log}; known incidents: {numbers}")
    return known[number]


def timeline(log: Path, incident: Incident) -> list[AuditEntry]:
    """The incident's lines, and every move of the champion to or from its version, in chronological order."""
    own = {entry.seq for entry in incident.lines}
    return [entry for entry in audit.read(log) if entry.seq in own or _moves(entry.facts, incident.version)]


def _moves(facts: Facts, version: str) -> bool:
    return "now" in facts and version in (facts.get("left"), facts["now"])


def _read(opened: AuditEntry, entries: list[AuditEntry]) -> Incident:
    later = [entry for entry in entries if entry.facts.get("incident") == opened.seq]
    return Incident(
        number=opened.seq,
        version=opened.facts["version"],
        what=opened.facts["said"],
        who=opened.who,
        lines=(opened, *later),
        open=all(entry.event != CLOSED for entry in later),
    )


def _check(text: str) -> None:
    if not text.strip():
        raise BadParams("the text of an incident is empty; say what was observed or done, for the audit log")
