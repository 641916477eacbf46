from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import files
from feedback import store
from feedback.schema import FeedbackEvent, RejectedRecord
from tests.feedback.examples import asked, event, vote

EVENTS = [vote(str(number), annotator_id=f"annotator {number}") for number in range(6)]


def rejected(line: int, reason: str = "prompt is empty") -> RejectedRecord:
    return RejectedRecord(source="votes", where=f"votes.jsonl:{line}", reason=reason, record='{"prompt": ""}')


def test_events_come_back_in_the_order_they_were_taken_in(tmp_path: Path) -> None:
    store.append(tmp_path, EVENTS[3:], round=0)
    store.append(tmp_path, EVENTS[:3], round=1)
    assert [found.source_id for found in store.events(tmp_path)] == ["3", "4", "5", "0", "1", "2"]
    assert [found.round for found in store.events(tmp_path)] == [0, 0, 0, 1, 1, 1], "the round that took them in"


def test_ten_parts_stay_in_order(tmp_path: Path) -> None:
    many = [vote(str(number)) for number in range(11)]
    for each in many:
        store.append(tmp_path, [each], round=0)
    assert (tmp_path / "part-00000-10.parquet").exists()
    assert [found.source_id for found in store.events(tmp_path)] == [str(number) for number in range(11)]


def test_ingesting_twice_changes_nothing(tmp_path: Path) -> None:
    assert store.append(tmp_path, EVENTS, round=0) == (6, 0, ())
    before = files.digest(tmp_path)
    later = [found.model_copy(update={"ingested_at": datetime.now(UTC), "round": 9}) for found in EVENTS]
    assert store.append(tmp_path, later, round=1) == (0, 6, ())
    assert files.digest(tmp_path) == before


def test_only_the_new_ones_make_a_part(tmp_path: Path) -> None:
    store.append(tmp_path, EVENTS[:4], round=0)
    assert store.append(tmp_path, [*EVENTS, EVENTS[5]], round=1) == (2, 5, ())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["part-00000-0.parquet", "part-00001-0.parquet"]


@settings(deadline=None, max_examples=15)
@given(st.lists(st.lists(st.sampled_from(EVENTS), max_size=4), max_size=4))
def test_any_sequence_of_batches_stores_each_event_once(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[FeedbackEvent]]
) -> None:
    folder = tmp_path_factory.mktemp("store")
    appended = [store.append(folder, batch, round) for round, batch in enumerate(batches)]
    given_ids = [each.feedback_id for batch in batches for each in batch]
    assert [found.feedback_id for found in store.events(folder)] == list(dict.fromkeys(given_ids))
    assert sum(result.new + result.repeated for result in appended) == len(given_ids)


def test_killed_before_the_part_stands_and_repeated_it_ends_in_the_same_bytes(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    store.append(whole, EVENTS[:3], round=0)
    store.append(whole, EVENTS[3:], round=0)
    store.append(broken, EVENTS[:3], round=0)
    left_behind = broken / ".part-00000-1.parquet.abc.draft"
    left_behind.mkdir()
    (left_behind / "part-00000-1.parquet").write_bytes(b"half a file")
    assert len(store.events(broken)) == 3, "a draft is not read"
    assert store.append(broken, EVENTS[:3], round=0) == (3, 0, ())
    store.append(broken, EVENTS[3:], round=0)
    assert files.digest(broken) == files.digest(whole)


def test_killed_when_the_part_stood_and_repeated_it_says_the_same(tmp_path: Path) -> None:
    store.append(tmp_path, EVENTS[:2], round=0)
    given = [*EVENTS, EVENTS[5]]
    first, second = (store.append(tmp_path, given, round=1) for _ in range(2))
    assert first == second == (4, 3, ())


def test_an_id_with_other_content_keeps_the_first_and_loses_nothing(tmp_path: Path) -> None:
    store.append(tmp_path, [vote("1", ranks=(1, 2))], round=0)
    for round in (1, 2):
        [changed] = store.append(tmp_path, [vote("1", ranks=(2, 1), round=round)], round).changed
        assert "is stored with other content" in changed.reason
    assert [found.judgements[0].ranks for found in store.events(tmp_path)] == [(1, 2)]
    assert store.rejections(tmp_path) == [changed], "once, however often it is handed in"
    assert FeedbackEvent.model_validate_json(changed.record).judgements[0].ranks == (2, 1)


def test_the_digest_knows_content_but_neither_parts_nor_the_time_of_ingestion(tmp_path: Path) -> None:
    one, other, third = tmp_path / "one", tmp_path / "other", tmp_path / "third"
    store.append(one, EVENTS, round=0)
    timed = [found.model_copy(update={"ingested_at": datetime.now(UTC)}) for found in reversed(EVENTS)]
    store.append(other, timed[:2], round=0)
    store.append(other, timed[2:], round=0)
    store.append(third, [*EVENTS[:5], EVENTS[5].model_copy(update={"licence": "MIT"})], round=0)
    assert store.digest(one) == store.digest(other)
    assert store.digest(one) != store.digest(third)


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "feedback"
    assert (store.events(folder), store.ids(folder), store.groups(folder), store.rejections(folder)) == (
        [],
        set(),
        [],
        [],
    )
    assert store.digest(folder) == store.digest(tmp_path)
    assert not folder.exists()


def test_prompts_are_told_once_with_their_first_group(tmp_path: Path) -> None:
    store.append(tmp_path, [event("Why?", native="1", prompt_group="g"), event("How?", native="2")], round=0)
    store.append(tmp_path, [event("Why?", native="3", prompt_group="h")], round=1)
    assert [(found.group, found.prompt) for found in store.groups(tmp_path)] == [
        ("g", asked("Why?")),
        (event("How?").prompt_id, asked("How?")),
    ]


def test_prompts_are_drawn_by_seed(tmp_path: Path) -> None:
    store.append(tmp_path, [event(f"Question {number}?", native=str(number)) for number in range(20)], round=0)
    drawn = store.prompts(tmp_path, 5, seed=1)
    assert drawn == store.prompts(tmp_path, 5, seed=1) != store.prompts(tmp_path, 5, seed=2)
    assert len(set(drawn)) == 5
    assert len(store.prompts(tmp_path, 99, seed=1)) == 20


def test_quarantine_keeps_each_record_once_through_all_rounds(tmp_path: Path) -> None:
    assert store.quarantine(tmp_path, [rejected(1), rejected(2)], round=0) == 2
    before = files.digest(tmp_path)
    assert store.quarantine(tmp_path, [rejected(2), rejected(1)], round=0) == 0
    assert files.digest(tmp_path) == before
    assert store.quarantine(tmp_path, [rejected(2), rejected(3), rejected(3)], round=1) == 1
    assert store.rejections(tmp_path) == [rejected(1), rejected(2), rejected(3)]
    assert sorted(path.name for path in store.quarantined(tmp_path).iterdir()) == [
        "round-00000.jsonl",
        "round-00001.jsonl",
    ]


def test_a_record_with_line_ends_inside_survives_quarantine(tmp_path: Path) -> None:
    odd = RejectedRecord(source="s", where="s:1", reason="r", record="a\r\nb\u2028c\x85d")
    store.quarantine(tmp_path, [odd], round=0)
    assert store.rejections(tmp_path) == [odd]


def test_a_round_knows_how_many_events_it_took_in(tmp_path: Path) -> None:
    assert store.taken_in(tmp_path, 1) == 0
    store.append(tmp_path, EVENTS[:2], 1)
    assert (store.taken_in(tmp_path, 1), store.taken_in(tmp_path, 2)) == (2, 0)
