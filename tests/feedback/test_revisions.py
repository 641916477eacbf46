"""Annotations that people edit where they made them."""

from pathlib import Path

from feedback import store
from feedback.revisions import corrected
from feedback.schema import FeedbackEvent
from feedback.votes import effective
from tests.feedback.examples import vote

FIRST, SECOND = (1, 2), (2, 1)


def ingested(folder: Path, round: int, *events: FeedbackEvent) -> store.AppendResult:
    return store.append(folder, corrected(folder, events, round), round)


def counting(folder: Path) -> list[FeedbackEvent]:
    return effective(store.events(folder))


def test_an_edited_record_supersedes_the_stored_one(tmp_path: Path) -> None:
    assert ingested(tmp_path, 0, vote("17", FIRST), vote("18")).new == 2
    assert ingested(tmp_path, 1, vote("17", SECOND), vote("18")) == (1, 1, ())
    assert len(store.events(tmp_path)) == 3
    other, edited = counting(tmp_path)
    assert (other.source_id, edited.judgements[0].ranks) == ("18", SECOND)
    assert edited.source_id.startswith("17@")


def test_a_record_that_did_not_change_since_its_correction_is_repeated(tmp_path: Path) -> None:
    for round, ranks in enumerate((FIRST, SECOND)):
        ingested(tmp_path, round, vote("17", ranks))
    assert ingested(tmp_path, 2, vote("17", SECOND)) == (0, 1, ())


def test_the_last_of_many_edits_counts_also_a_return_to_the_first(tmp_path: Path) -> None:
    for round, ranks in enumerate((FIRST, SECOND, FIRST, SECOND, FIRST)):
        assert ingested(tmp_path, round, vote("17", ranks)).new == 1
        [last] = counting(tmp_path)
        assert last.judgements[0].ranks == ranks
    assert len(store.events(tmp_path)) == 5


def test_repeated_after_a_kill_the_same_events_are_stored(tmp_path: Path) -> None:
    ingested(tmp_path, 0, vote("17", FIRST))
    assert ingested(tmp_path, 1, vote("17", SECOND)) == ingested(tmp_path, 1, vote("17", SECOND)) == (1, 0, ())
    assert len(store.events(tmp_path)) == 2


def test_an_event_that_supersedes_an_edited_one_supersedes_its_last_correction(tmp_path: Path) -> None:
    old = vote("17", FIRST)
    for round, ranks in enumerate((FIRST, SECOND)):
        ingested(tmp_path, round, vote("17", ranks))
    replacing = vote("20", FIRST, supersedes=old.feedback_id)
    assert ingested(tmp_path, 2, replacing).new == 1
    assert [event.source_id for event in counting(tmp_path)] == ["20"]
    assert ingested(tmp_path, 3, replacing) == (0, 1, ())
