"""The contents of an evidence archive, and their headings."""

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tasks.history.evidence import EvidenceArchive, _anonymous, _lines, _logged, entries_about, is_about, write
from tasks.history.evidence.headings import CONSIDERATIONS, CONTROLS, OBJECTIVES, PARTS, RISKS, numbered, title
from tasks.history.evidence.index import index
from tasks.history.lineage import lineage
from tasks.registry import audit, incidents
from tasks.registry.audit import AuditEntry
from tasks.registry.versions import ModelVersion
from tests.tasks.history.worlds import COMMITS, world

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
VERSION = ModelVersion("policy", "3", 2, "f" * 32, "d" * 64, {"round_key": "abc123"}, NOON)


def entry(event: str, seq: int = 1, **facts: Any) -> AuditEntry:
    return AuditEntry(seq, "2026-03-01T12:00:00+00:00", event, "ana", facts, "0" * 64)


def test_every_heading_belongs_to_one_of_the_frameworks() -> None:
    headings = {*CONSIDERATIONS, *map(numbered, RISKS)}
    objectives = {numbered(objective) for objective in OBJECTIVES}
    assert len({part.path for part in PARTS}) == len(PARTS)
    for part in PARTS:
        assert set(part.nist) <= headings
        assert set(part.iso) <= set(CONTROLS)
        assert {".".join(control.split(".")[:2]) for control in part.iso} <= objectives
    assert (len(CONSIDERATIONS), len(RISKS), len(OBJECTIVES)) == (4, 12, 9)
    assert title("2.4") == "2.4 Data Privacy"
    assert title("Governance") == "Governance"


def test_the_first_page_lists_what_is_there_and_what_is_missing() -> None:
    present = {"gates.json", "data-card.md"}
    page = index(VERSION, present, [part for part in PARTS if part.path not in present])
    lines = page.splitlines()
    assert "not a claim of compliance" in page
    assert "| 2\\.4 Data Privacy | data-card.md |" in lines
    assert "| Incident Disclosure | none |" in lines
    assert "| A.6 AI system life cycle | gates.json |" in lines
    assert "| A.5 Assessing impacts of AI systems | none |" in lines
    assert any(line.startswith("- `red-team.json`: ") for line in lines)
    assert "- `gates.json`" not in page
    complete = index(VERSION, {part.path for part in PARTS}, [])
    assert not any(line.startswith("- `") for line in complete.splitlines())


@pytest.mark.parametrize(
    ("line", "about"),
    [
        (entry("promote", model="policy", left="2", now="3"), True),
        (entry("rollback", model="policy", left="3", now="2"), True),
        (entry("promote", model="policy", left="1", now="2"), False),
        (entry("approval", key="abc123", digest="d" * 64), True),
        (entry("approval", key="other", digest="e" * 64), False),
        (entry("incident opened", version="3", said="rude"), True),
        (entry("incident opened", version="33", said="rude"), False),
        (entry("promote", model="reward", now="3"), False),
        (entry("withdrawal", round=2), False),
    ],
)
def test_which_entries_of_the_audit_log_are_about_a_version(line: AuditEntry, about: bool) -> None:
    assert is_about(line, VERSION) is about


def test_later_entries_of_an_incident_are_included(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    ours = incidents.begin(log, "it is rude", "3", "ana")
    others = incidents.begin(log, "it is slow", "2", "bo")
    incidents.note(log, ours.number, "since Monday", "bo")
    incidents.note(log, others.number, "the disk", "bo")
    incidents.close(log, ours.number, "rolled back", "ana")
    assert [line.facts["said"] for line in entries_about(audit.read(log), VERSION)] == [
        "it is rude",
        "since Monday",
        "rolled back",
    ]
    files = _logged(log, VERSION)
    assert files["incidents.jsonl"] == files["audit.jsonl"]
    assert len(files["incidents.jsonl"].splitlines()) == 3


def test_extracted_lines_equal_those_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    audit.append(log, "promote", "anä", model="policy", left="", now="3", reason="\u201cgood\u201d")
    audit.append(log, "rollback", "bo", model="policy", left="3", now="2")
    assert _lines(audit.read(log)) == log.read_bytes()


def test_a_removed_log_is_reported_as_unsound(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    assert _logged(log, VERSION) == {}
    audit.append(log, "promote", "ana", model="policy", left="", now="3")
    log.unlink()
    assert not json.loads(_logged(log, VERSION)["audit-verification.json"])["sound"]


def test_annotators_have_the_same_number_everywhere() -> None:
    named = lineage(world(), "commit:" + COMMITS[0])
    hidden = _anonymous(named)
    assert [entry.annotator for entry in hidden.rounds[0].people.feedback] == ["annotator 1"]
    assert [entry.annotator for entry in hidden.rounds[1].people.feedback] == ["annotator 1"] * 2
    assert [(entry.annotator, entry.records) for entry in hidden.rounds[1].people.votes] == [("annotator 2", 40)]
    assert "ana" not in json.dumps(hidden.to_json()).replace("annotator", "")
    assert named.rounds[0].people.feedback[0].annotator == "ana"  # the original is unchanged


def test_the_archive_has_no_time_of_its_own(tmp_path: Path) -> None:
    evidence = EvidenceArchive(VERSION, {"a.txt": b"a", "b.json": b"{}"}, [])
    write(evidence, tmp_path / "one.zip")
    write(evidence, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.read("b.json") == b"{}"
