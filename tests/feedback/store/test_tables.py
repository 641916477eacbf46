"""The longest values that every column takes, on both databases: PostgreSQL enforces lengths, and SQLite does not."""

import random
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import String, Table

from core.errors import BadFeedback
from feedback.store import answers, arrivals, keys, queue
from feedback.store.database import Database
from feedback.store.queue import QueueItem
from feedback.store.tables import MAX_ID, MAX_ID_BYTES, check_id, inserting, metadata
from tests.feedback.examples import vote
from tests.feedback.store.late import NOW
from tests.feedback.store.test_answers import answer

RANGES = {1: (0x21, 0x7E), 2: (0x100, 0x6FF), 3: (0x4E00, 0x9FFF), 4: (0x20000, 0x2A6DF)}
"""Bytes in UTF-8 → characters of so many bytes."""

BOUNDED = [
    pytest.param(table, column.name, column.type.length, id=f"{table.name}.{column.name}")
    for table in metadata.sorted_tables
    for column in table.columns
    if isinstance(column.type, String) and column.type.length
]


def longest(size: int, seed: int) -> str:
    """The longest id of characters of so many bytes, at random: PostgreSQL compresses other ones in its index."""
    draw = random.Random(seed)
    return "".join(chr(draw.randint(*RANGES[size])) for _ in range(min(MAX_ID, MAX_ID_BYTES // size)))


@pytest.mark.parametrize("size", RANGES)
def test_the_longest_values_are_stored_and_found(db: Database, tmp_path: Path, size: int) -> None:
    first, second, third = (longest(size, seed) for seed in range(3))
    assert arrivals.put(db, [vote("1").model_copy(update={"feedback_id": first})], tmp_path, NOW).new == 1
    assert arrivals.waiting(db, []) == {first}
    assert queue.add(db, first, [QueueItem(second, {})]) == 1
    [taken] = queue.take(db, first, third, 1, NOW, timedelta(hours=1))
    assert taken.item == second
    queue.finish(db, first, third, [second], NOW)
    given = answer(
        first, completion=second, annotator=third, version="9" * 64, finish="x" * 16, consent=first, compared="9" * 64
    )
    answers.put(db, [given])
    assert answers.find(db, [first]) == {first: given}


def test_the_longest_name_of_a_key(db: Database) -> None:
    name = "n" * 100
    made = keys.make(db, name, "annotator", NOW)
    record = keys.check(db, made)
    assert record is not None
    assert (record.name, record.role) == (name, "annotator")


@pytest.mark.parametrize(("table", "column", "length"), BOUNDED)
def test_a_value_that_is_longer_than_its_column_is_refused(
    db: Database, table: Table, column: str, length: int
) -> None:
    db.read(lambda connection: inserting(connection, table, [{column: "x" * length}], column))
    with pytest.raises(
        BadFeedback, match=f"{column} .* cannot be stored: it has {length + 1} .*; use at most {length}"
    ):
        db.read(lambda connection: inserting(connection, table, [{column: "x" * (length + 1)}], column))


def test_an_answer_with_a_value_that_is_too_long_is_not_stored(db: Database) -> None:
    with pytest.raises(BadFeedback, match="compared 'xxx"):
        answers.put(db, [answer("a", compared="x" * 65)])
    assert answers.find(db, ["a"]) == {}


@pytest.mark.parametrize("value", ["", "x" * 513, "\U00020000" * 201, "a\0", "a\ud800"])
def test_ids_that_cannot_be_stored(value: str) -> None:
    with pytest.raises(BadFeedback, match="of at most 800 bytes in UTF-8"):
        check_id("item", value)
