"""The labelling queues of the label page: filled, counted and removed; on SQLite and on PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest

from core.errors import BadParams
from feedback.label_roles import Role
from feedback.store import answers, label_queues, label_tasks, queue
from feedback.store.database import Database
from feedback.store.queue import QueueItem
from tests.feedback.examples import chat
from tests.feedback.store.test_answers import answer

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ITEMS = [
    QueueItem(f"item-{number}", {"kind": "rating", "responses": [{"response_id": f"r{number}"}], "asker": "shop:bo"})
    for number in range(3)
]

PROMPTS = [[turn.model_dump() for turn in chat(text)] for text in ("Where is it?", "Who are you?")]


def ordinary(*_: object) -> Role:
    return "ordinary"


def test_a_queue_is_made_filled_and_counted(db: Database) -> None:
    assert label_queues.add(db, "first", ITEMS[:2], 2) == 2
    assert label_queues.add(db, "first", ITEMS, 5) == 1, "an item that is there stays as it is"
    assert label_queues.add(db, "second", ITEMS[:1], 1, gold=True) == 1
    queue.add(db, "pairs-of-a-round", ITEMS)
    task = label_tasks.take(db, "ana", NOW, NOW + HOUR, ordinary)
    assert task is not None
    states = [("first", 3, 0, 9, 0, 1), ("second", 0, 1, 0, 0, 0)]  # wanted: 2 + 2 + 5
    assert label_queues.states(db, NOW) == states
    db.write(label_tasks.closing(task, "finished", 1, NOW))
    assert label_queues.states(db, NOW)[0] == ("first", 3, 0, 9, 1, 0)


def test_an_item_is_open_until_it_has_the_judgements_that_it_wants(db: Database) -> None:
    label_queues.add(db, "first", ITEMS, 1)
    label_queues.add(db, "second", ITEMS[:1], 2)
    label_queues.add(db, "second", [QueueItem("gold-item", ITEMS[0].record)], 1, gold=True)
    queue.add(db, "pairs-of-a-round", [QueueItem("pair", {})])
    assert [label_queues.open_items(db, name) for name in ("first", "second", "third")] == [3, 1, 0]
    assert label_queues.known(db) == {"item-0", "item-1", "item-2", "gold-item"}
    queue.finish(db, label_queues.stored_name("first"), "ana", ["item-0"], NOW)
    queue.finish(db, label_queues.stored_name("second"), "ana", ["item-0"], NOW)
    assert [label_queues.open_items(db, name) for name in ("first", "second")] == [2, 1]
    assert "item-0" in label_queues.known(db), "also what was judged"


def test_a_queue_is_removed_with_its_gold_items_and_nothing_else(db: Database) -> None:
    for name in ("first", "second"):
        label_queues.add(db, name, ITEMS, 1)
        label_queues.add(db, name, ITEMS, 1, gold=True)
    task = label_tasks.take(db, "ana", NOW, NOW + HOUR, ordinary)
    assert task is not None
    label_queues.remove(db, "first")
    assert [state.name for state in label_queues.states(db, NOW)] == ["second"]
    assert label_tasks.named(db, task.task) is None
    label_queues.remove(db, "first")
    assert label_queues.states(db, NOW)[0].gold == 3


@pytest.mark.parametrize("name", ["", "a b", "a#gold", "-a", "a" * 101])
def test_a_name_that_cannot_be_used(db: Database, name: str) -> None:
    with pytest.raises(BadParams, match="a queue cannot be called"):
        label_queues.add(db, name, ITEMS, 1)


def test_names_in_the_tables_are_read_again() -> None:
    roles: list[Role] = ["ordinary", "gold", "repeat"]
    assert [label_queues.parsed(label_queues.stored_name("a.b", role)) for role in roles] == [
        ("a.b", role) for role in roles
    ]
    assert label_queues.parsed("0123456789abcdef") is None


def test_items_made_from_answers_of_the_server_are_erased_by_asker_or_answer(db: Database) -> None:
    label_queues.add(db, "first", ITEMS, 1)
    label_tasks.take(db, "ana", NOW, NOW + HOUR, ordinary)
    assert label_queues.erase(db, "response_id", "r0", write=False) == 1
    assert label_queues.erase(db, "response_id", "r0", write=True) == 1
    assert label_queues.states(db, NOW)[0].items == 2
    assert label_queues.erase(db, "asker", "shop", write=True) == 0
    assert label_queues.erase(db, "asker", "shop:bo", write=True) == 2
    assert label_queues.states(db, NOW) == []


def test_items_expire_with_the_answers_that_they_were_made_from(db: Database) -> None:
    """Kept is what the asker has an answer to, and what was not made from answers of the server."""
    answers.put(db, [answer(name, prompt=chat(f"Où est {name} ?")) for name in ("a", "b")])
    records = {
        name: {"kind": "demonstration", "prompt": [turn.model_dump() for turn in chat(f"Où est {name} ?")]}
        for name in ("a", "b", "c")
    }
    made = [QueueItem(name, record | {"responses": [], "asker": "shop:ana"}) for name, record in records.items()]
    label_queues.add(db, "first", [*made, QueueItem("d", records["c"] | {"responses": []})], 1)
    assert label_queues.erase_expired(db) == 1
    assert label_queues.known(db) == {"a", "b", "d"}
    answers.redact(db, "a")
    assert label_queues.erase_expired(db) == 1
    assert label_queues.known(db) == {"b", "d"}


def test_items_with_a_text_are_erased_with_their_assignments(db: Database) -> None:
    label_queues.add(db, "first", [QueueItem(f"{n}", {"kind": "x", "prompt": PROMPTS[n]}) for n in (0, 1)], 1)
    task = label_tasks.take(db, "ana", NOW, NOW + HOUR, ordinary)
    assert (task and task.item, sorted(label_queues.texts(db))) == ("0", ["Where is it?", "Who are you?"])
    assert label_queues.erase_texts(db, set(), write=True) == 0
    assert [label_queues.erase_texts(db, {"Where is it?"}, write) for write in (False, True, True)] == [1, 1, 0]
    assert (label_queues.known(db), label_tasks.last(db, "ana")) == ({"1"}, None)
    assert task is not None
    assert label_tasks.named(db, task.task) is None
