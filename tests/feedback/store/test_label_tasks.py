"""Label tasks: who has what open, what comes next, and what was judged last; on SQLite and on PostgreSQL."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import BadFeedback
from feedback.label_roles import Role
from feedback.store import arrivals, label_queues, label_tasks, queue
from feedback.store.database import Database
from feedback.store.label_tasks import APART, Assignment, TaskMoved
from feedback.store.queue import QueueItem
from tests.feedback.examples import vote

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def items(count: int, kind: str = "comparison") -> list[QueueItem]:
    return [QueueItem(f"item-{number}", {"kind": kind, "responses": []}) for number in range(count)]


def ordinary(*_: object) -> Role:
    return "ordinary"


def take(db: Database, annotator: str = "ana", now: datetime = NOW, role: Role = "ordinary") -> Assignment:
    task = label_tasks.take(db, annotator, now, now + HOUR, lambda *_: role)
    assert task is not None
    return task


def judged(db: Database, task: Assignment, now: datetime = NOW) -> Assignment:
    db.write(label_tasks.closing(task, "finished", 1, now))
    return task._replace(state="finished", stored=1, finished_at=now)


def test_a_task_is_open_until_it_is_judged(db: Database) -> None:
    label_queues.add(db, "q", items(2), 1)
    task = take(db)
    assert (task.item, task.until, task.state, task.stored) == ("item-0", NOW + HOUR, "held", 0)
    assert take(db, now=NOW + HOUR).task == task.task
    assert label_tasks.named(db, task.task) == task._replace(until=NOW + 2 * HOUR)
    assert label_tasks.of(db, task.queue, task.item, "ana") == label_tasks.named(db, task.task)
    judged(db, task, NOW + HOUR)
    done = label_tasks.named(db, task.task)
    assert done is not None
    assert (done.state, done.finished_at, done.stored) == ("finished", NOW + HOUR, 1)
    with pytest.raises(TaskMoved):
        db.write(label_tasks.closing(task, "returned", 7, NOW + 2 * HOUR))
    assert label_tasks.named(db, task.task) == done, "what is judged is not judged again"
    assert take(db).item == "item-1"


def test_of_eight_judgements_of_a_task_at_once_one_is_noted_with_its_event(db: Database, tmp_path: Path) -> None:
    label_queues.add(db, "q", items(1), 1)
    task = take(db)

    def judge(number: int) -> bool:
        event = vote(str(number))
        try:
            closing = label_tasks.closing(task, "finished", 1, NOW)
            return arrivals.put(db, [event], tmp_path, NOW, together_with=closing).new == 1
        except TaskMoved:
            return False

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(judge, range(8))) == [False] * 7 + [True]
    assert arrivals.count_waiting(db, ()) == 1


def test_an_item_that_is_held_is_offered_once_enough_of_its_holders_are_late(db: Database) -> None:
    """It wants one judgement and has two holders: ana was late, judged it, and took that back while bob had it."""
    label_queues.add(db, "q", items(1), 1)
    assert label_tasks.offered_at(db, "cem", NOW) is None
    first = take(db, "ana")
    assert label_tasks.offered_at(db, "cem", NOW) == NOW + HOUR
    second = take(db, "bob", NOW + HOUR)
    db.write(label_tasks.reopening(judged(db, first, NOW + HOUR), 2, NOW + 3 * HOUR))
    assert label_tasks.offered_at(db, "cem", NOW + HOUR) == NOW + 3 * HOUR, "bob alone would still suffice"
    assert label_tasks.offered_at(db, "ana", NOW + HOUR) is None, "who had it does not get it again"
    assert label_tasks.offered_at(db, "cem", NOW + 3 * HOUR) is None, "it is offered now"
    judged(db, second, NOW + HOUR)
    assert label_tasks.offered_at(db, "cem", NOW + HOUR) is None, "it is done"


def test_names_of_tasks_are_not_those_of_others_and_tell_nothing(db: Database) -> None:
    label_queues.add(db, "q", items(1), 2)
    names = {take(db, name).task for name in ("ana", "bob")}
    assert len(names) == 2
    assert all(len(name) == 32 for name in names)
    assert label_tasks.named(db, "0" * 32) is None


def test_queues_come_in_the_order_in_which_they_were_made(db: Database) -> None:
    label_queues.add(db, "z", items(1), 1)
    label_queues.add(db, "a", items(2), 1)
    label_queues.add(db, "z", items(2), 1)
    shown = [judged(db, take(db)) for _ in range(4)]
    assert [(task.queue, task.item) for task in shown] == [
        ("label:z", "item-0"),
        ("label:z", "item-1"),
        ("label:a", "item-0"),
        ("label:a", "item-1"),
    ]
    assert label_tasks.take(db, "ana", NOW, NOW + HOUR, ordinary) is None


def test_gold_items_are_given_to_everybody_while_there_are_others(db: Database) -> None:
    label_queues.add(db, "q", items(1), 2)
    label_queues.add(db, "q", items(1), 2, gold=True)
    for name in ("ana", "bob"):
        assert judged(db, take(db, name, role="gold")).queue == "label:q#gold"
        assert judged(db, take(db, name, role="gold")).queue == "label:q", "there is no other gold item"
        assert label_tasks.take(db, name, NOW, NOW + HOUR, lambda *_: "gold") is None


def test_an_item_is_repeated_once_and_not_too_soon(db: Database) -> None:
    label_queues.add(db, "q", items(APART + 4), 1)
    for number in range(APART + 1):
        assert judged(db, take(db, role="repeat"), NOW + timedelta(minutes=number)).queue == "label:q"
    again = judged(db, take(db, role="repeat"))
    assert (again.queue, again.item) == ("label:q#repeat", "item-0")
    assert take(db, role="repeat").queue == "label:q", "item-1 was judged five items ago, and not more"


def test_texts_are_not_repeated(db: Database) -> None:
    label_queues.add(db, "q", items(APART + 4, "demonstration"), 1)
    for _ in range(APART + 3):
        assert judged(db, take(db, role="repeat")).queue == "label:q"


def test_what_others_have_judged_meanwhile_is_handed_back(db: Database) -> None:
    label_queues.add(db, "q", items(2), 1)
    late = take(db)
    later = NOW + 2 * HOUR
    assert take(db, "bob", later).item == late.item
    assert take(db, "ana", later).item == "item-1", "bob holds it"
    given_back = label_tasks.named(db, late.task)
    assert given_back is not None
    assert (given_back.state, given_back.finished_at) == ("returned", None)


def test_the_last_judgement_is_opened_again_and_comes_first(db: Database) -> None:
    label_queues.add(db, "q", items(3), 1)
    assert label_tasks.last(db, "ana") is None
    first, second = judged(db, take(db), NOW), judged(db, take(db), NOW + HOUR)
    take(db)
    last = label_tasks.last(db, "ana")
    assert last is not None
    assert last.task == second.task
    db.write(label_tasks.reopening(last, 2, NOW + 2 * HOUR))
    with pytest.raises(TaskMoved):
        db.write(label_tasks.reopening(last, 2, NOW + 2 * HOUR))
    open_task = label_tasks.resume(db, "ana", NOW + HOUR, NOW + 3 * HOUR)
    assert open_task is not None
    assert (open_task.task, open_task.stored, open_task.until) == (second.task, 2, NOW + 3 * HOUR)
    before = label_tasks.last(db, "ana")
    assert before is not None
    assert before.task == first.task


def test_the_last_judgement_is_the_last_one_also_if_the_clock_was_set_back(db: Database) -> None:
    label_queues.add(db, "q", items(2), 1)
    queue.add(db, "pairs", items(1))
    tasks = [judged(db, take(db), now).task for now in (NOW, NOW - HOUR)]
    last = label_tasks.last(db, "ana")
    assert last is not None
    assert (last.task, last.finished_at) == (tasks[1], NOW + timedelta(microseconds=1))
    queue.finish(db, "pairs", "ana", ["item-0"], NOW - HOUR)
    vote = label_tasks.last(db, "ana")
    assert vote is not None
    assert vote.queue == "pairs"


def test_a_pair_of_a_round_is_resumed_once_its_vote_was_taken_back(db: Database) -> None:
    queue.add(db, "pairs", items(1))
    queue.finish(db, "pairs", "ana", ["item-0"], NOW)
    queue.finish(db, "pairs", "ana", ["item-0"], NOW + HOUR)
    vote = label_tasks.last(db, "ana")
    assert vote is not None
    assert vote.finished_at == NOW, "noted again, it is not a new judgement"
    db.write(label_tasks.reopening(vote, 1, NOW + HOUR))
    assert label_tasks.resume(db, "ana", NOW, NOW + HOUR) is None
    resumed = label_tasks.resume(db, "ana", NOW, NOW + HOUR, votes="pairs")
    assert resumed is not None
    assert resumed.task == vote.task


def test_counts_of_one_annotator(db: Database) -> None:
    label_queues.add(db, "q", items(4), 1)
    label_queues.add(db, "q", items(1), 1, gold=True)
    judged(db, take(db), NOW - HOUR)
    judged(db, take(db, role="gold"), NOW)
    take(db)
    take(db, "bob")
    assert label_tasks.counts(db, "ana", NOW, NOW, ordinary) == (1, 2, 2, True), "one held, one free"
    assert label_tasks.counts(db, "bob", NOW, NOW, ordinary) == (0, 0, 2, False)


def test_somebody_without_a_name_gets_nothing(db: Database) -> None:
    label_queues.add(db, "q", items(1), 1)
    with pytest.raises(BadFeedback, match="may be several people"):
        take(db, "unknown")


def test_people_and_windows_at_once(db: Database) -> None:
    """Eight people, each with two windows: an item has two judgements, and a person one task at a time."""
    label_queues.add(db, "q", items(40), 2)
    given: list[tuple[str, str]] = []

    def work(name: str) -> None:
        while task := label_tasks.take(db, name, NOW, NOW + HOUR, ordinary):
            given.append((name, task.item))
            with suppress(TaskMoved):  # the other window was faster
                judged(db, task)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, [f"person-{number % 8}" for number in range(16)]))
    assert set(Counter(item for _, item in set(given)).values()) == {2}
    assert label_queues.states(db, NOW)[0].finished == 80
