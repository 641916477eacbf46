"""When the next round starts by itself."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from feedback import canonical, store
from feedback.store import arrivals
from tasks.state import feedback_database, intake, tombstones
from tasks.state.choosing import at
from tasks.state.readiness import StartConditions, days, readiness
from tasks.state.workspace import Workspace
from tests.feedback.examples import vote

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A round starts when three usable records wait, or when one has waited two days."""
    monkeypatch.delenv(feedback_database.ADDRESS, raising=False)
    workspace = at(tmp_path / "workspace")
    workspace.params.write_text("ingest: {threshold: 3, max_wait_days: 2}\n")
    return workspace


def put(workspace: Workspace, name: str, arrived: datetime, *records: dict[str, Any]) -> None:
    """A file in the inbox since `arrived`."""
    workspace.inbox.mkdir(parents=True, exist_ok=True)
    file = workspace.inbox / name
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    os.utime(file, (arrived.timestamp(), arrived.timestamp()))


def preference(number: int, **fields: Any) -> dict[str, Any]:
    return {"prompt": f"Is item {number} in stock?", "chosen": "Yes, four.", "rejected": "No idea.", **fields}


def test_nothing_waits(workspace: Workspace) -> None:
    waiting = readiness(workspace, now=NOON)
    assert waiting == StartConditions(0, 3, None, timedelta(days=2), NOON)
    assert (waiting.ready, waiting.due, str(waiting)) == (False, None, "0 of 3 usable records wait")
    assert waiting.outlook == "when 3 more usable records wait"


def test_the_number_starts_a_round_and_only_usable_records_count(workspace: Workspace) -> None:
    skipped = {"prompt": "Open?", "responses": ["Yes.", "No."], "judgements": [{"outcome": "skip"}]}
    useless = [skipped | {"kind": "comparison"}, preference(8, status="withdrawn"), {"prompt": "no answer"}]
    put(workspace, "a.jsonl", NOON - timedelta(hours=5), *useless, preference(1), preference(2))
    waiting = readiness(workspace, now=NOON)
    assert (waiting.usable, waiting.oldest, waiting.ready) == (2, NOON - timedelta(hours=5), False)
    assert intake.count(workspace).records == 4, "all but the one that cannot be read"
    assert waiting.outlook == "when 1 more usable records wait, at the latest 2026-12-02 07:00 UTC"
    put(workspace, "b.jsonl", NOON, preference(3))
    waiting = readiness(workspace, now=NOON)
    assert waiting.cause == "3 usable records wait, and 3 start a round"
    assert waiting.outlook == f"now: {waiting.cause}"


def test_the_age_of_the_oldest_usable_record_starts_a_round(workspace: Workspace) -> None:
    put(workspace, "a.jsonl", NOON - timedelta(days=9), preference(8, status="withdrawn"))
    assert readiness(workspace, now=NOON).oldest is None, "nothing can be learned from it, however long it waits"
    put(workspace, "b.jsonl", NOON - timedelta(hours=47), preference(1))
    put(workspace, "c.jsonl", NOON, preference(2))
    waiting = readiness(workspace, now=NOON)
    assert (waiting.ready, str(waiting)) == (False, "2 of 3 usable records wait, the oldest for 47 h")
    later = readiness(workspace, now=NOON + timedelta(hours=1))
    assert later.cause == "the oldest of 2 usable records has waited 2 d, and a round starts after 2 d"
    never = readiness(workspace, ["ingest.max_wait_days=null"], now=NOON + timedelta(days=900))
    assert (never.ready, never.outlook) == (False, "when 1 more usable records wait")


def test_single_events_wait_since_they_arrived_and_not_after_a_round_has_stored_them(workspace: Workspace) -> None:
    given = [canonical.event(preference(number), {"source": "chat", "source_id": str(number)}) for number in (1, 2)]
    with feedback_database.opened(workspace) as database:
        arrivals.put(database, given[:1], workspace.feedback, NOON - timedelta(hours=3))
        arrivals.put(database, given[1:], workspace.feedback, NOON - timedelta(hours=2))
    assert readiness(workspace, now=NOON)[:3] == (2, 3, NOON - timedelta(hours=3))
    store.append(workspace.feedback, given[:1], 0)
    assert readiness(workspace, now=NOON)[:3] == (1, 3, NOON - timedelta(hours=2))


def test_feedback_of_forgotten_people_and_of_those_who_supersede_others_does_not_count(workspace: Workspace) -> None:
    foreign = vote("1", annotator_id="bo", supersedes="0" * 32)
    with feedback_database.opened(workspace) as database:
        arrivals.put(database, [foreign, vote("2", annotator_id="ana")], workspace.feedback, NOON)
    assert readiness(workspace, now=NOON).usable == 1
    tombstones.add(workspace, "ana", "bo", "asked", (), ())
    assert readiness(workspace, now=NOON).usable == 0


def test_feedback_that_may_not_be_learned_from_does_not_count(workspace: Workspace) -> None:
    refused = vote("1", annotator_id="bo", consent="no")
    with feedback_database.opened(workspace) as database:
        arrivals.put(database, [refused, vote("2", annotator_id="ana", consent="opt-in")], workspace.feedback, NOON)
    assert readiness(workspace, now=NOON).usable == 1
    assert readiness(workspace, ["verdict.gates.licence=null"], NOON).usable == 2


@pytest.mark.parametrize(
    ("stated", "usable"),
    [({}, 2), ({"http": {"consent": "no"}}, 1), ({"http": {"licence": "own"}}, 2), ({"chat": {"consent": "no"}}, 1)],
)
def test_what_is_stated_of_a_source_decides_about_its_feedback_that_states_nothing(
    workspace: Workspace, stated: dict[str, dict[str, str]], usable: int
) -> None:
    given = [vote("1", annotator_id="bo", source="http"), vote("2", annotator_id="ana", source="chat")]
    with feedback_database.opened(workspace) as database:
        arrivals.put(database, given, workspace.feedback, NOON)
    assert readiness(workspace, [f"curate.terms={json.dumps(stated)}"], NOON).usable == usable


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        (timedelta(seconds=-5), "0 min"),
        (timedelta(minutes=59), "59 min"),
        (timedelta(hours=47, minutes=59), "47 h"),
        (timedelta(hours=71), "2 d"),
    ],
)
def test_a_length_of_time_is_in_one_unit(time: timedelta, shown: str) -> None:
    assert days(time) == shown
