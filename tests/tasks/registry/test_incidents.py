from pathlib import Path

import pytest

from tasks.registry import audit, incidents
from tasks.registry.incidents import NoIncident


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Version 2 took over from 1."""
    path = tmp_path / "audit.jsonl"
    audit.append(path, "bootstrap", "rounds", left="", now="1")
    audit.append(path, "promote", "rounds", left="1", now="2", reason="win rate .61")
    return path


def test_an_incident_has_the_number_of_its_first_line_and_takes_notes_after_closing(log: Path) -> None:
    opened = incidents.begin(log, "rude on Mondays", "2", "ana")
    assert (opened.number, opened.version, opened.what, opened.who, opened.open) == (
        3,
        "2",
        "rude on Mondays",
        "ana",
        True,
    )
    incidents.note(log, 3, "it is the refunds", "bo")
    assert incidents.find(log, 3).open
    incidents.close(log, 3, "rolled back", "ana")
    incidents.note(log, 3, "the votes came from one office", "bo")
    incident = incidents.find(log, 3)
    assert (incident.open, [line.facts["said"] for line in incident.lines]) == (
        False,
        ["rude on Mondays", "it is the refunds", "rolled back", "the votes came from one office"],
    )
    with pytest.raises(NoIncident, match="incident 3 "):
        incidents.close(log, 3, "again", "ana")


def test_the_timeline_holds_the_moves_of_its_version(log: Path) -> None:
    rude, slow = incidents.begin(log, "rude", "2", "ana"), incidents.begin(log, "slow", "1", "bo")
    incidents.note(log, slow.number, "not ours", "bo")
    audit.append(log, "rollback", "watch", left="2", now="1", reason="rude")
    audit.append(log, "promote", "rounds", left="1", now="3")
    events = [line.event for line in incidents.timeline(log, incidents.find(log, rude.number))]
    assert events == ["promote", "incident opened", "rollback"]
    assert [incident.number for incident in incidents.about(log, "2")] == [rude.number]
    assert [incident.what for incident in incidents.every(log)] == ["rude", "slow"]


@pytest.mark.parametrize("number", [1, 9])
def test_an_unknown_incident(log: Path, number: int) -> None:
    with pytest.raises(NoIncident, match=f"no incident {number} in .* none"):
        incidents.note(log, number, "hello", "ana")


def test_an_edited_timeline_is_detected(log: Path) -> None:
    incidents.begin(log, "rude", "2", "ana")
    incidents.note(log, 3, "it is the refunds", "bo")
    log.write_bytes(log.read_bytes().replace(b"the refunds", b"nothing"))
    assert audit.verify(log)
