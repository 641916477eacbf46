"""Single events: durable, once under each id, claimed by exactly one round; on SQLite and on PostgreSQL."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import files
from core.errors import BadFeedback, Damaged
from feedback import store
from feedback.schema import FeedbackEvent
from feedback.store import arrivals, database, queue
from feedback.store.arrivals import Claim
from feedback.store.database import Database
from feedback.store.queue import QueueItem
from feedback.store.tables import events
from tasks.state.workspace import PROJECT
from tests.feedback.examples import valid_events, vote
from tests.feedback.store.conftest import Address, Fresh
from tests.feedback.store.late import NOW, late

EVENTS = [vote(str(number), annotator_id=f"annotator {number}") for number in range(8)]

PROGRAM = """
import os, signal, sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from feedback import store
from feedback.schema import FeedbackEvent
from feedback.store import arrivals, database
address, folder, first = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
given = [FeedbackEvent.model_validate_json(event) for event in sys.argv[4:]]
db = database.connect(address if "://" in address else Path(address))
def die():
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(events: list[FeedbackEvent]) -> list[str]:
    return [event.source_id for event in events]


def put(db: Database, given: list[FeedbackEvent], folder: Path) -> arrivals.PutResult:
    return arrivals.put(db, given, folder, NOW)


def claimed(db: Database, round: int) -> list[FeedbackEvent]:
    return arrivals.claimed(db, round, arrivals.claim(db, round).digest)


def program(
    code: str, address: Address, folder: Path, first: int = 0, given: Sequence[FeedbackEvent] = ()
) -> "subprocess.Popen[str]":
    """A process with an open database `db`, a folder of parts, the number of its first round and events to put."""
    arguments = [str(address), str(folder), str(first), *(event.model_dump_json() for event in given)]
    command = [sys.executable, "-c", PROGRAM + code, *arguments]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)


def test_events_are_claimed_in_the_order_of_their_arrival(db: Database, tmp_path: Path) -> None:
    assert put(db, EVENTS[3:5], tmp_path) == (2, 0, ())
    assert put(db, EVENTS[:3], tmp_path) == (3, 0, ())
    assert arrivals.waiting(db, finished=[1, 2]) == {event.feedback_id for event in EVENTS[:5]}
    assert names(claimed(db, 1)) == ["3", "4", "0", "1", "2"]
    assert arrivals.waiting(db, finished=[1, 2]) == set()


def test_the_newest_events_are_found_whether_or_not_they_are_claimed(db: Database, tmp_path: Path) -> None:
    put(db, EVENTS[3:5], tmp_path)
    claimed(db, 1)
    put(db, EVENTS[:2], tmp_path)
    assert names(list(arrivals.newest(db, 3))) == ["1", "0", "4"]


def test_the_time_of_arrival_is_kept_unless_the_event_has_one(db: Database, tmp_path: Path) -> None:
    earlier = datetime(2026, 1, 2, tzinfo=UTC)
    put(db, [EVENTS[0], EVENTS[1].model_copy(update={"ingested_at": earlier})], tmp_path)
    assert [event.ingested_at for event in claimed(db, 1)] == [NOW, earlier]


def test_an_event_that_is_put_again_is_stored_once(db: Database, tmp_path: Path) -> None:
    assert put(db, [*EVENTS[:3], EVENTS[0]], tmp_path) == (3, 1, ())
    assert put(db, EVENTS[:4], tmp_path) == (1, 3, ())
    assert len(claimed(db, 1)) == 4
    assert put(db, EVENTS[:4], tmp_path) == (0, 4, ()), "a claimed event is still known"


def test_an_id_that_is_taken_with_other_content_is_reported(db: Database, tmp_path: Path) -> None:
    put(db, [vote("1", ranks=(1, 2))], tmp_path)
    result = put(db, [vote("1", ranks=(2, 1)), vote("2"), vote("2", ranks=(2, 1))], tmp_path)
    assert (result.new, result.repeated) == (1, 0)
    assert [FeedbackEvent.model_validate_json(each.record).source_id for each in result.changed] == ["1", "2"]
    assert [event.judgements[0].ranks for event in claimed(db, 1)] == [(1, 2), (1, 2)]


def test_an_id_is_unique_across_database_and_parts(db: Database, tmp_path: Path) -> None:
    store.append(tmp_path, EVENTS[:2], round=0)
    changed = vote("1", ranks=(2, 1), annotator_id="annotator 1")
    result = put(db, [EVENTS[0], changed, EVENTS[2]], tmp_path)
    assert (result.new, result.repeated, len(result.changed)) == (1, 1, 1)
    assert names(claimed(db, 1)) == ["2"]


def test_an_id_that_arrived_in_a_file_meanwhile_is_ingested_once(db: Database, tmp_path: Path) -> None:
    put(db, EVENTS[:3], tmp_path)
    store.append(tmp_path, EVENTS[1:2], round=0)
    assert store.append(tmp_path, claimed(db, 1), round=1) == (2, 1, ())
    assert names(store.events(tmp_path)) == ["1", "0", "2"]


@pytest.mark.parametrize("feedback_id", ["", "a\0b", "x" * 513])
def test_an_id_that_no_database_can_hold_is_refused_and_nothing_is_stored(
    db: Database, tmp_path: Path, feedback_id: str
) -> None:
    with pytest.raises(BadFeedback, match="feedback_id"):
        put(db, [EVENTS[0], EVENTS[1].model_copy(update={"feedback_id": feedback_id})], tmp_path)
    assert arrivals.waiting(db, finished=[1, 2]) == set()


def test_more_events_than_one_statement_takes(db: Database, tmp_path: Path) -> None:
    many = [vote(str(number)) for number in range(1203)]
    assert put(db, many, tmp_path) == (1203, 0, ())
    assert put(db, many, tmp_path) == (0, 1203, ())
    assert names(claimed(db, 1)) == [str(number) for number in range(1203)]


def test_events_are_found_by_id_wherever_they_are_stored(db: Database, tmp_path: Path) -> None:
    store.append(tmp_path, EVENTS[:1], 1)
    arrivals.put(db, EVENTS[1:3], tmp_path, NOW)
    found = arrivals.find(db, [event.feedback_id for event in EVENTS[:2]] + ["missing"], tmp_path)
    assert sorted(event.source_id for event in found.values()) == ["0", "1"]
    assert found.keys() == {event.feedback_id for event in EVENTS[:2]}


def test_no_events_are_put(db: Database, tmp_path: Path) -> None:
    assert put(db, [], tmp_path) == (0, 0, ())
    assert arrivals.claim(db, 1).size == 0
    assert claimed(db, 1) == []


def test_a_claim_can_be_repeated_and_its_digest_depends_on_its_events_alone(fresh: Fresh, tmp_path: Path) -> None:
    first, second = (database.connect(fresh()) for _ in range(2))
    put(first, EVENTS[:3], tmp_path)
    for each in reversed(EVENTS[:3]):
        put(second, [each], tmp_path)
    claim = arrivals.claim(first, 4)
    assert claim == arrivals.claim(first, 4) == arrivals.claim(second, 4)
    assert (claim.round, claim.size, len(claim.digest)) == (4, 3, 64)
    assert names(arrivals.claimed(first, 4, claim.digest)) == names(arrivals.claimed(first, 4, claim.digest))
    put(first, EVENTS[3:], tmp_path)
    assert arrivals.claim(first, 5).digest != claim.digest
    first.close()
    second.close()


def test_a_claim_that_is_no_longer_the_frozen_one_is_damage(db: Database, tmp_path: Path) -> None:
    put(db, EVENTS[:3], tmp_path)
    digest = arrivals.claim(db, 1).digest
    db.write(lambda connection: connection.execute(events.delete().where(events.c.arrival == 2)))
    with pytest.raises(Damaged, match="--reopen"):
        arrivals.claimed(db, 1, digest)


def test_a_claim_of_a_round_that_was_discarded_passes_to_the_next(db: Database, tmp_path: Path) -> None:
    put(db, EVENTS[:2], tmp_path)
    finished = arrivals.claim(db, 1)
    put(db, EVENTS[2:4], tmp_path)
    arrivals.claim(db, 2)
    planned = arrivals.claimable(db, 3, finished=[0, 1])
    arrivals.release(db, finished=[0, 1])
    assert planned == arrivals.claimable(db, 3, finished=[0, 1]) != finished
    assert arrivals.waiting(db, finished=[0, 1]) == {event.feedback_id for event in EVENTS[2:4]}
    assert names(claimed(db, 3)) == ["2", "3"]
    assert planned == _claim_of(db, 3)
    assert names(arrivals.claimed(db, 1, finished.digest)) == ["0", "1"]


def test_a_claim_on_sqlite_waits_for_the_writer_before_it(tmp_path: Path) -> None:
    """For PostgreSQL, which has many writers at a time, see tests/services/test_postgres.py."""
    db = database.connect(tmp_path / "feedback.db")
    with ThreadPoolExecutor() as pool:
        with late(db, EVENTS[0]):
            claim = pool.submit(arrivals.claim, db, 1)
            with pytest.raises(TimeoutError):
                claim.result(timeout=0.3)
        assert claim.result(timeout=30).size == 1
    db.close()


def test_two_writers_with_the_same_ids_in_other_orders_both_succeed(db: Database, tmp_path: Path) -> None:
    many = [vote(str(number)) for number in range(300)]
    with ThreadPoolExecutor() as pool:
        results = [*pool.map(lambda given: put(db, given, tmp_path), (many, many[::-1], many, many[::-1]))]
    assert sum(result.new for result in results) == 300
    assert sum(result.repeated for result in results) == 900


def test_two_processes_that_claim_at_once_share_the_events_without_overlap(
    db: Database, address: Address, tmp_path: Path
) -> None:
    """While two others put events, one at a time."""
    writing = """
for event in given:
    assert arrivals.put(db, [event], folder, datetime.now(UTC)).new == 1
"""
    claiming = """
for round in range(first, 20, 2):
    print(*(event.source_id for event in arrivals.claimed(db, round, arrivals.claim(db, round).digest)), flush=True)
"""
    many = [vote(str(number)) for number in range(60)]
    processes = [program(writing, address, tmp_path, given=some) for some in (many[:30], many[30:])]
    processes += [program(claiming, address, tmp_path, first) for first in (0, 1)]
    printed = [process.communicate(timeout=120)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    rest = names(claimed(db, 20))
    assert sorted(map(int, [*printed[2], *printed[3], *rest])) == list(range(60)), "each event once, none lost"


CLAIM = "claim = arrivals.claim(db, 1)\n"
INGEST = "store.append(folder, arrivals.claimed(db, 1, claim.digest), 1)\n"


@pytest.mark.parametrize(
    ("before_the_kill", "then"), [(CLAIM, "continued"), (CLAIM + INGEST, "discarded")], ids=["claimed", "ingested"]
)
def test_a_round_killed_between_claim_and_record_ingests_each_event_once(
    db: Database, address: Address, tmp_path: Path, before_the_kill: str, then: str
) -> None:
    put(db, EVENTS[:3], tmp_path)
    killed = program(before_the_kill + "die()", address, tmp_path)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    put(db, EVENTS[3:5], tmp_path)
    if then == "continued":  # round.yaml had frozen the digest
        frozen = _claim_of(db, 1)
        store.append(tmp_path, arrivals.claimed(db, 1, frozen.digest), round=1)
        rounds = [2]
    else:
        rounds = [1, 2]
    for round in rounds:
        arrivals.release(db, finished=range(round))
        store.append(tmp_path, claimed(db, round), round)
    assert sorted(names(store.events(tmp_path))) == ["0", "1", "2", "3", "4"]
    assert arrivals.waiting(db, finished=[1, 2]) == set()


def test_ingesting_a_claim_again_leaves_the_same_bytes(db: Database, tmp_path: Path) -> None:
    folder = tmp_path / "feedback"
    put(db, EVENTS, folder)
    first = store.append(folder, claimed(db, 1), 1)
    before = files.digest(folder)
    assert store.append(folder, claimed(db, 1), 1) == first == (8, 0, ())
    assert files.digest(folder) == before


def test_an_acknowledged_event_survives_the_kill_of_its_process(db: Database, address: Address, tmp_path: Path) -> None:
    code = "print(arrivals.put(db, given, folder, datetime.now(UTC)).new, flush=True)\ndie()"
    killed = program(code, address, tmp_path, given=[vote("7")])
    assert killed.communicate(timeout=60)[0] == "1\n"
    assert killed.returncode == -signal.SIGKILL
    assert names(claimed(db, 1)) == ["7"]


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(each=valid_events().filter(lambda event: len(event.feedback_id) > 0 and "\0" not in event.feedback_id))
def test_any_valid_event_comes_back_as_it_was(db: Database, each: FeedbackEvent, tmp_path: Path) -> None:
    given = each.model_copy(update={"ingested_at": NOW})
    put = arrivals.put(db, [given], tmp_path, NOW)
    stored = {event.feedback_id: event for event in claimed(db, 1)}
    if put.new:  # Hypothesis may give two events one id: the first one stays
        assert stored[given.feedback_id] == given


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.lists(st.sampled_from(range(len(EVENTS))), max_size=4)),
        st.tuples(st.just("file"), st.lists(st.sampled_from(range(len(EVENTS))), max_size=2)),
        st.tuples(st.sampled_from(["claim", "ingest", "finish", "discard"]), st.just([])),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=15)
@given(steps=STEPS)
def test_any_sequence_of_steps_loses_nothing_and_stores_nothing_twice(
    fresh: Fresh, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, list[int]]]
) -> None:
    """A round is opened and claims, ingests, is finished or discarded, in any order and however often."""
    db, folder = database.connect(fresh()), tmp_path_factory.mktemp("parts")
    acknowledged: set[str] = set()
    finished: list[int] = []
    claim: Claim | None = None
    for step, numbers in [*steps, ("ingest", []), ("finish", []), ("claim", []), ("ingest", []), ("finish", [])]:
        given = [EVENTS[number] for number in numbers]
        round = len(finished)
        if step == "put":
            assert sum(put(db, given, folder)[:2]) == len(given)
            acknowledged.update(names(given))
        elif step == "file":
            store.append(folder, given, round)
            acknowledged.update(names(given))
        elif step == "claim" and claim is None:
            arrivals.release(db, finished)
            claim = arrivals.claim(db, round)
        elif step == "ingest" and claim:
            store.append(folder, arrivals.claimed(db, round, claim.digest), round)
        elif step == "finish" and claim:
            store.append(folder, arrivals.claimed(db, round, claim.digest), round)  # no round is finished without
            finished.append(round)
            claim = None
        elif step == "discard":
            claim = None
    db.close()
    stored = names(store.events(folder))
    assert sorted(stored) == sorted(acknowledged)


def _claim_of(db: Database, round: int) -> Claim:
    """The claim of a round, as it was frozen."""
    return db.read(lambda connection: arrivals._claim(connection, round, events.c.round == round))


def test_events_and_assignments_of_one_annotator_are_erased(db: Database, tmp_path: Path) -> None:
    name = 'ana "4711" %'
    put(db, [*(vote(f"ana {number}", annotator_id=name) for number in range(600)), *EVENTS], tmp_path)
    queue.add(db, "q", [QueueItem("item", {})])
    queue.take(db, "q", name, 1, NOW, timedelta(hours=1))
    assert arrivals.erase(db, name, write=False) == arrivals.erase(db, name, write=True) == 600
    assert arrivals.waiting(db, []) == {event.feedback_id for event in EVENTS}
    assert queue.held(db, "q", name) == []
    assert arrivals.erase(db, name, write=True) == 0


def test_sqlite_has_no_byte_of_what_was_erased(tmp_path: Path) -> None:
    opened = database.connect(tmp_path / "feedback.db")
    put(opened, [vote("1", annotator_id="ana-4711"), *EVENTS], tmp_path)
    arrivals.erase(opened, "ana-4711", write=True)
    opened.close()
    assert [file.name for file in tmp_path.iterdir() if b"ana-4711" in file.read_bytes()] == []


def test_waiting_events_come_in_their_order_and_up_to_a_limit(db: Database, tmp_path: Path) -> None:
    put(db, EVENTS[:3], tmp_path)
    arrivals.claim(db, 1)
    put(db, EVENTS[3:5], tmp_path)
    assert names(arrivals.waiting_events(db, [1])) == ["3", "4"]
    assert names(arrivals.waiting_events(db, [], limit=4)) == ["0", "1", "2", "3"]
    assert (arrivals.count_waiting(db, [1]), arrivals.count_waiting(db, [])) == (2, 5)
