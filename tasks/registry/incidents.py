"""Incidents: what went wrong with which version, who saw it, and what was done, as lines of the audit log.

There an incident is safe from edits as every promotion is: `audit verify` finds a line that was edited, removed or
moved. An incident is called by the number of its first line, so that two opened at the same time are two.
"""

from pathlib import Path
from typing import NamedTuple

from core.errors import BadParams, RoundsError
from tasks.registry import audit
from tasks.registry.audit import AuditEntry, Facts

OPENED, NOTED, CLOSED = "incident opened", "incident noted", "incident closed"


class NoIncident(RoundsError):
    """There is no such incident, or it is closed already."""


class Incident(NamedTuple):
    """One incident."""

    number: int
    version: str
    """The version of the policy that it is about."""
    what: str
    who: str
    """Who opened it."""
    lines: tuple[AuditEntry, ...]
    """Its own lines of the audit log, oldest first."""
    open: bool


def begin(log: Path, what: str, version: str, who: str) -> Incident:
    """Open an incident about a version.

    Raises:
        BadParams: nothing is said.
    """
    _check(what)
    return _read(audit.append(log, OPENED, who, version=version, said=what), [])


def note(log: Path, number: int, said: str, who: str) -> None:
    """Add to the timeline. A closed incident takes notes as well: much is understood later.

    Raises:
        NoIncident: there is none of that number.
        BadParams: nothing is said.
    """
    _check(said)
    find(log, number)
    audit.append(log, NOTED, who, incident=number, said=said)


def close(log: Path, number: int, said: str, who: str) -> None:
    """Close an incident, saying how it ended.

    Raises:
        NoIncident: there is none of that number, or it is closed already.
        BadParams: nothing is said.
    """
    _check(said)
    if not find(log, number).open:
        raise NoIncident(f"incident {number} is closed already; `rounds incident note` still adds to it")
    audit.append(log, CLOSED, who, incident=number, said=said)


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
        NoIncident: there is none of that number.
    """
    known = {incident.number: incident for incident in every(log)}
    if number not in known:
        there = ", ".join(map(str, known)) or "none"
        raise NoIncident(f"there is no incident {number} in {log}; there are: {there}")
    return known[number]


def timeline(log: Path, incident: Incident) -> list[AuditEntry]:
    """The incident's lines, and every move of the champion to or from its version, in the order they were written."""
    mine = {entry.seq for entry in incident.lines}
    return [entry for entry in audit.read(log) if entry.seq in mine or _moves(entry.facts, incident.version)]


def _moves(facts: Facts, version: str) -> bool:
    return "now" in facts and version in (facts.get("left"), facts["now"])


def _read(opened: AuditEntry, entries: list[AuditEntry]) -> Incident:
    more = [entry for entry in entries if entry.facts.get("incident") == opened.seq]
    return Incident(
        number=opened.seq,
        version=opened.facts["version"],
        what=opened.facts["said"],
        who=opened.who,
        lines=(opened, *more),
        open=all(entry.event != CLOSED for entry in more),
    )


def _check(said: str) -> None:
    if not said.strip():
        raise BadParams("an incident needs words: what was seen, or done; they go to the audit log")
