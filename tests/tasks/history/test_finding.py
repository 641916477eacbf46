"""Single events are found wherever they are."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.errors import NotFound
from feedback import store
from feedback.schema import RejectedRecord
from feedback.store import arrivals
from tasks.history import finding
from tasks.state import feedback_database, tombstones
from tasks.state.workspace import Workspace
from tests.feedback.examples import vote
from tests.flows.feedback_files import imported

NOW = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Stored: 1 (superseded by 3), 2; in quarantine: a record; in the inbox: 4; in the database: 5."""
    monkeypatch.delenv(feedback_database.ADDRESS, raising=False)
    workspace = Workspace(tmp_path)
    first = vote("1", annotator_id="ana")
    store.append(workspace.feedback, [first, vote("2", annotator_id="bo")], 0)
    store.append(workspace.feedback, [vote("3", annotator_id="ana", supersedes=first.feedback_id)], 2)
    bad = RejectedRecord(source="s", where="s.jsonl:7", reason="r", record='{"meta": {"id": "x-77"}}')
    store.quarantine(workspace.feedback, [bad], 2)
    waiting = {"prompt": "Four?", "chosen": "Yes.", "rejected": "No.", "source_id": "4"}
    imported(workspace, "abc.jsonl", [waiting])
    with feedback_database.opened(workspace) as database:
        arrivals.put(database, [vote("2", annotator_id="bo"), vote("5")], workspace.feedback, NOW)
    return workspace


def places(found: list[finding.FoundEvent]) -> list[tuple[str, int | None]]:
    return [(each.where, each.ingested) for each in found]


def test_an_event_is_named_by_its_id_by_its_beginning_or_by_the_id_in_its_source(workspace: Workspace) -> None:
    name = vote("2", annotator_id="bo").feedback_id
    for given in (name, name[:6], "2"):
        assert places(finding.find(workspace, given)) == [("data/feedback/part-00000-0.parquet", 0)]
    with pytest.raises(NotFound, match="6 characters"):
        finding.find(workspace, name[:5])


def test_what_waits_and_what_was_rejected_is_found(workspace: Workspace) -> None:
    assert places(finding.find(workspace, "4")) == [("data/inbox/abc.jsonl", None)]
    assert places(finding.find(workspace, "5")) == [("the feedback database", None)]
    for given in ("x-77", "s.jsonl:7"):
        assert places(finding.find(workspace, given)) == [("data/feedback/quarantine/round-00002.jsonl", 2)]


def test_a_superseded_event_names_its_successor_and_a_forgotten_annotator_is_marked(workspace: Workspace) -> None:
    [first] = finding.find(workspace, "1")
    assert (first.replaced, first.forgotten) == (vote("3", annotator_id="ana").feedback_id, False)
    tombstones.add(workspace, "ana", "cem", "asked", (0, 2), ())
    assert [finding.find(workspace, name)[0].forgotten for name in ("1", "2")] == [True, False]


def test_the_last_events_are_those_that_wait_then_the_newest_stored_ones(workspace: Workspace) -> None:
    sources = [[each.record.source_id for each in finding.last(workspace, count)] for count in (1, 3, 9)]  # type: ignore[union-attr]  # none is a rejected record
    assert sources == [["5"], ["3", "4", "5"], ["1", "2", "3", "4", "5"]]
    assert finding.last(workspace, 1)[0].to_json()["where"] == "the feedback database"
