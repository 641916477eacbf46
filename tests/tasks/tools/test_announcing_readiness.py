"""Enough usable feedback is announced: when a round would start, once, and without reading it for every record."""

import logging
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from evaluation.verdict import Verdict
from feedback import store
from feedback.schema import FeedbackEvent, Judgement
from feedback.store import arrivals
from tasks.state import feedback_database, handing_in, intake, readiness, records
from tasks.state.workspace import Workspace
from tasks.tools import announcing_readiness, events, prefect_api
from tasks.tools.announcing_readiness import announce, announce_after_round
from tasks.tools.receiving import receive
from tests.feedback.examples import event as example
from tests.feedback.examples import vote
from tests.tasks.state.recorded import record
from tests.tasks.tools.prefect_server import PrefectServer

THRESHOLD = 3


Server = PrefectServer[int]


def counted(name: str, payload: Mapping[str, Any]) -> int:
    """The number of usable records of an event."""
    assert (name, payload["threshold"]) == (events.READY, THRESHOLD)
    count: int = payload["pending"]
    return count


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(announcing_readiness, "GATHERED", 0.0)
    monkeypatch.setattr(announcing_readiness, "REST", 0.0)
    return Server(counted).connected(monkeypatch)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "workspace")
    workspace.data.mkdir(parents=True)
    workspace.params.write_text(f"ingest: {{threshold: {THRESHOLD}}}\n")
    return workspace


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The usable records that were found whenever all that wait were read."""
    found: list[int] = []

    def counted(workspace: Workspace) -> readiness.StartConditions:
        waiting = readiness.readiness(workspace)
        found.append(waiting.usable)
        return waiting

    monkeypatch.setattr(announcing_readiness, "readiness", counted)
    return found


def usable(name: str) -> FeedbackEvent:
    return vote(name)


def skipped(name: str) -> FeedbackEvent:
    """Nothing can be learned from it."""
    return example(native=name, judgements=(Judgement(outcome="skip"),))


def give(workspace: Workspace, *given: FeedbackEvent) -> None:
    """Each by another person, one after the other; returns when the thread has looked."""
    for event in given:
        assert receive(workspace, [event], f"person {event.source_id}").new == 1
        looked()


def looked() -> None:
    for thread in threading.enumerate():
        if thread.name == "announcing readiness":
            thread.join()


def test_the_usable_records_count_and_not_those_between_them(workspace: Workspace, server: Server) -> None:
    """Of 1, 2 (skipped), 3, 4 (skipped), 5, the fifth is the third usable one."""
    give(workspace, usable("1"), skipped("2"), usable("3"), skipped("4"))
    assert server.took == []
    assert intake.count(workspace).records == 4, "more than the threshold wait"
    give(workspace, usable("5"))
    assert server.took == [3]


def test_each_further_multiple_is_announced_once(workspace: Workspace, server: Server) -> None:
    give(workspace, usable("1"), usable("2"), usable("3"), skipped("4"), usable("5"))
    assert server.took == [3]
    give(workspace, usable("6"), usable("7"), usable("8"))
    assert server.took == [3, 6]


def test_files_in_the_inbox_count_too(workspace: Workspace, server: Server, tmp_path: Path) -> None:
    file = tmp_path / "pair.jsonl"
    file.write_text('{"prompt": "Open?", "chosen": "Yes, until six.", "rejected": "Why?"}\n')
    handing_in.hand_in(workspace, [file])
    give(workspace, usable("1"))
    assert server.took == []
    give(workspace, usable("2"))
    assert server.took == [3]


def test_after_a_round_the_count_begins_again(workspace: Workspace, server: Server) -> None:
    give(workspace, usable("1"), usable("2"), usable("3"))
    store.append(workspace.feedback, intake.waiting_events(workspace), 0)
    records.write(workspace, record(0, "1", Verdict()))
    give(workspace, usable("4"), usable("5"))
    assert server.took == [3]
    give(workspace, usable("6"))
    assert server.took == [3, 3]


def test_after_records_were_removed_the_threshold_is_announced_again(workspace: Workspace, server: Server) -> None:
    give(workspace, usable("1"), usable("2"), usable("3"))
    with feedback_database.opened(workspace) as database:
        assert arrivals.erase(database, "person 3", write=True) == 1
    assert not announce(workspace)
    give(workspace, usable("4"))
    assert server.took == [3, 3]


def test_fewer_records_than_start_a_round_are_not_read(workspace: Workspace, server: Server, counts: list[int]) -> None:
    give(workspace, usable("1"), skipped("2"))
    assert counts == []
    give(workspace, skipped("3"))
    assert counts == [1]


def test_what_arrives_together_is_counted_once_and_what_arrives_meanwhile_once_more(
    workspace: Workspace, server: Server, counts: list[int]
) -> None:
    """Three records are counted when the server does not answer; 20 that arrive until it does are counted together."""
    give(workspace, usable("0"), usable("1"))
    server.released.clear()
    assert receive(workspace, [usable("2")], "person 2").new == 1
    assert server.asked.wait(60)
    for number in range(3, 23):
        assert receive(workspace, [usable(f"{number}")], f"person {number}").new == 1
    server.released.set()
    looked()
    assert counts == [3, 23]
    assert server.took == [3, 23]


def test_after_a_count_the_next_one_waits_for_a_multiple_of_its_time(
    workspace: Workspace, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcing_readiness, "REST", 20.0)
    slow = readiness.readiness

    def counted(workspace: Workspace) -> readiness.StartConditions:
        time.sleep(0.05)
        return slow(workspace)

    monkeypatch.setattr(announcing_readiness, "readiness", counted)
    give(workspace, usable("1"), usable("2"), usable("3"))
    began = time.monotonic()
    give(workspace, usable("4"), usable("5"), usable("6"))
    assert server.took == [3, 6]
    assert time.monotonic() - began > 3 * 20 * 0.05, "each of the three counts waited for a second"


def test_a_slow_server_does_not_slow_the_storing_of_feedback(workspace: Workspace, server: Server) -> None:
    server.released.clear()
    for number in range(5):
        assert receive(workspace, [usable(f"{number}")], f"person {number}").new == 1
    assert server.took == []
    server.released.set()
    looked()
    assert server.took[0] >= 3


def test_a_server_that_is_away_is_not_asked_for_each_record(workspace: Workspace, server: Server) -> None:
    """The schedule starts the round; the next multiple is another chance."""
    server.away = True
    give(workspace, usable("1"), usable("2"), usable("3"), usable("4"), usable("5"))
    assert server.took == [3]
    server.away = False
    give(workspace, usable("6"))
    assert server.took == [3, 6]


def test_a_program_can_announce_before_it_ends(workspace: Workspace, server: Server) -> None:
    with feedback_database.opened(workspace) as database:
        arrivals.put(database, [usable("1"), usable("2"), usable("3")], workspace.feedback, datetime.now(UTC))
    assert announce(workspace)
    assert not announce(workspace), "it was announced"


def test_feedback_that_cannot_be_read_is_a_line_in_the_log(
    workspace: Workspace, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    part = workspace.feedback / "part-00001-0.parquet"
    give(workspace, usable("1"))
    with caplog.at_level(logging.WARNING):
        part.parent.mkdir()
        part.write_bytes(b"PAR1, and the rest is lost")
        announcing_readiness.stored(workspace)
        looked()
    assert "it is not known whether enough feedback waits for a round" in caplog.text
    part.unlink()
    give(workspace, usable("2"), usable("3"))
    assert server.took == [3]


def test_after_a_round_what_arrived_meanwhile_is_announced(workspace: Workspace, server: Server) -> None:
    give(workspace, usable("1"), usable("2"))
    announce_after_round(workspace, ())
    assert server.took == []
    give(workspace, usable("3"))
    announce_after_round(workspace, ())
    assert server.took == [3, 3], "once as it arrived, while the round ran, and once after it"
    announce_after_round(workspace, ("ingest.threshold=4",))
    assert server.took == [3, 3]


def test_a_round_has_finished_also_if_it_is_not_known_what_waits(
    workspace: Workspace, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    give(workspace, usable("1"), usable("2"), usable("3"))
    workspace.params.write_text("ingest: [")  # somebody is editing it
    with caplog.at_level(logging.WARNING):
        announce_after_round(workspace, ())
    assert "it is not known whether enough feedback waits for a round" in caplog.text
    assert server.took == [3]


def test_without_a_server_nothing_is_counted(
    workspace: Workspace, server: Server, counts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefect_api, "configured", lambda: False)
    give(workspace, usable("1"), usable("2"), usable("3"))
    assert (server.took, counts) == ([], [])
