"""The labelling queue: who has what, and how many judgements are wanted; on SQLite and on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadFeedback, NotFound
from feedback.store import database, queue
from feedback.store.database import Database
from feedback.store.queue import QueueItem
from tests.feedback.store.conftest import Fresh

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ITEMS = [QueueItem(f"pair-{number}", {"prompt": f"Question {number}?", "empty": ""}) for number in range(4)]


def take(db: Database, annotator: str, limit: int = 1, now: datetime = NOW) -> list[str]:
    return [each.item for each in queue.take(db, "round-7", annotator, limit, now, HOUR)]


def test_items_are_given_out_in_their_order_with_what_is_shown(db: Database) -> None:
    assert queue.add(db, "round-7", ITEMS[:3]) == 3
    assert queue.add(db, "round-7", ITEMS) == 1, "an item is added once"
    assert queue.take(db, "round-7", "ann", 2, NOW, HOUR) == ITEMS[:2]
    assert take(db, "bob", limit=9) == ["pair-2", "pair-3"], "the other two are held"
    assert take(db, "cem") == []


def test_an_item_is_given_to_as_many_as_are_wanted_and_to_nobody_twice(db: Database) -> None:
    queue.add(db, "round-7", ITEMS[:1], wanted=2)
    assert [take(db, annotator) for annotator in ("ann", "ann", "bob", "cem")] == [["pair-0"], [], ["pair-0"], []]


def test_items_with_fewest_judgements_come_first(db: Database) -> None:
    queue.add(db, "round-7", ITEMS[:3], wanted=2)
    queue.finish(db, "round-7", "ann", ["pair-0"], NOW)
    assert take(db, "bob", limit=3) == ["pair-1", "pair-2", "pair-0"]


def test_items_that_want_no_more_can_be_given_after_the_others(db: Database) -> None:
    queue.add(db, "round-7", ITEMS[:2])
    queue.finish(db, "round-7", "ann", ["pair-0"], NOW)
    given = queue.take(db, "round-7", "bob", 9, NOW, HOUR, beyond_wanted=True)
    assert [each.item for each in given] == ["pair-1", "pair-0"]


def test_items_that_are_held_can_be_kept_longer(db: Database) -> None:
    queue.add(db, "round-7", ITEMS[:1])
    take(db, "ann")
    queue.extend(db, "round-7", "ann", NOW + 3 * HOUR)
    queue.extend(db, "round-7", "ann", NOW + 2 * HOUR)
    assert take(db, "bob", now=NOW + 2 * HOUR) == []
    assert take(db, "bob", now=NOW + 3 * HOUR) == ["pair-0"]


def test_what_is_handed_back_goes_to_others(db: Database) -> None:
    queue.add(db, "round-7", ITEMS[:2])
    take(db, "ann", limit=2)
    assert queue.hand_back(db, "round-7", "ann", ["pair-0", "pair-3"]) == 1
    assert queue.hand_back(db, "round-7", "ann", ["pair-0"]) == 0
    assert [each.item for each in queue.held(db, "round-7", "ann")] == ["pair-1"]
    assert take(db, "ann") == []
    assert take(db, "bob") == ["pair-0"]


def test_an_item_whose_time_is_over_goes_to_others_and_can_still_be_finished(db: Database) -> None:
    queue.add(db, "round-7", ITEMS[:1])
    take(db, "ann")
    assert take(db, "bob", now=NOW + HOUR - timedelta(microseconds=1)) == []
    assert take(db, "ann", now=NOW + HOUR) == [], "it is not given to the same annotator again"
    assert take(db, "bob", now=NOW + HOUR) == ["pair-0"]
    assert [each.item for each in queue.held(db, "round-7", "ann")] == ["pair-0"]
    queue.finish(db, "round-7", "ann", ["pair-0"], NOW + 2 * HOUR)
    assert queue.held(db, "round-7", "ann") == []
    assert take(db, "cem", now=NOW + 9 * HOUR) == [], "no more judgements are wanted"


def test_judgements_are_counted_up_to_the_number_wanted(db: Database) -> None:
    queue.add(db, "round-7", ITEMS[:2], wanted=2)
    queue.add(db, "another", ITEMS[:1])
    assert queue.progress(db, "round-7", NOW) == (2, 4, 0, 0)
    take(db, "ann", limit=2)
    for annotator in ("ann", "bob", "cem", "ann"):
        queue.finish(db, "round-7", annotator, ["pair-0"], NOW)
    assert queue.progress(db, "round-7", NOW) == (2, 4, 2, 1)
    assert queue.progress(db, "round-7", NOW + HOUR) == (2, 4, 2, 0)
    assert queue.progress(db, "missing", NOW) == (0, 0, 0, 0)


def test_an_item_that_is_not_in_the_queue_cannot_be_finished(db: Database) -> None:
    queue.add(db, "round-7", ITEMS[:1])
    with pytest.raises(NotFound, match="pair-3"):
        queue.finish(db, "round-7", "ann", ["pair-0", "pair-3"], NOW)
    assert queue.progress(db, "round-7", NOW).finished == 0


@pytest.mark.parametrize("annotator", ["", "  ", "unknown", "a\0b"])
def test_an_annotator_without_a_name_is_refused(db: Database, annotator: str) -> None:
    queue.add(db, "round-7", ITEMS)
    with pytest.raises(BadFeedback, match="annotator"):
        take(db, annotator)
    with pytest.raises(BadFeedback, match="annotator"):
        queue.finish(db, "round-7", annotator, ["pair-0"], NOW)


def test_a_queue_that_wants_no_judgement_is_refused(db: Database) -> None:
    with pytest.raises(BadFeedback, match="wanted=0"):
        queue.add(db, "round-7", ITEMS, wanted=0)


def test_annotators_who_take_at_once_get_different_items(db: Database) -> None:
    many = [QueueItem(str(number), {}) for number in range(40)]
    queue.add(db, "round-7", many)
    names = ("ann", "bob", "cem", "dee")
    with ThreadPoolExecutor() as pool:
        taken = [item for items in pool.map(lambda name: take(db, name, 3), names * 4) for item in items]
    assert sorted(map(int, taken)) == list(range(40))


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["take", "finish", "hand back", "wait"]),
        st.sampled_from(["ann", "bob", "cem"]),
        st.integers(1, 3),
    ),
    max_size=15,
)


@settings(deadline=None, max_examples=15)
@given(acts=ACTS, wanted=st.integers(1, 2))
def test_whatever_annotators_do_nobody_is_given_an_item_twice(
    fresh: Fresh, acts: list[tuple[str, str, int]], wanted: int
) -> None:
    db, now = database.connect(fresh()), NOW
    queue.add(db, "round-7", ITEMS, wanted)
    given: list[tuple[str, str]] = []
    for act, annotator, number in acts:
        holding = [each.item for each in queue.held(db, "round-7", annotator)][:number]
        if act == "take":
            given += [(annotator, item) for item in take(db, annotator, number, now)]
        elif act == "finish":
            queue.finish(db, "round-7", annotator, holding, now)
        elif act == "hand back":
            assert queue.hand_back(db, "round-7", annotator, holding) == len(holding)
        else:
            now += HOUR
        progress = queue.progress(db, "round-7", now)
        assert progress.finished + progress.held <= len(given)
        assert progress.finished <= progress.wanted == len(ITEMS) * wanted
    db.close()
    assert len(set(given)) == len(given)
