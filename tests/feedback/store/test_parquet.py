from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import files
from core.errors import Damaged
from feedback import store
from feedback.schema import FeedbackEvent, RejectedRecord
from tests.feedback.examples import event, vote

EVENTS = [vote(str(number), annotator_id=f"annotator {number}") for number in range(6)]


def rejected(line: int, reason: str = "prompt is empty") -> RejectedRecord:
    return RejectedRecord(source="votes", where=f"votes.jsonl:{line}", reason=reason, record='{"prompt": ""}')


def test_events_are_read_in_the_order_of_their_ingestion(tmp_path: Path) -> None:
    store.append(tmp_path, EVENTS[3:], round=0)
    store.append(tmp_path, EVENTS[:3], round=1)
    assert [event.source_id for event in store.events(tmp_path)] == ["3", "4", "5", "0", "1", "2"]
    assert [event.round for event in store.events(tmp_path)] == [0, 0, 0, 1, 1, 1], "the round that ingested them"


def test_ten_parts_stay_in_order(tmp_path: Path) -> None:
    many = [vote(str(number)) for number in range(11)]
    for each in many:
        store.append(tmp_path, [each], round=0)
    assert (tmp_path / "part-00000-10.parquet").exists()
    assert [event.source_id for event in store.events(tmp_path)] == [str(number) for number in range(11)]


def test_ingesting_twice_changes_nothing(tmp_path: Path) -> None:
    assert store.append(tmp_path, EVENTS, round=0) == (6, 0, ())
    before = files.digest(tmp_path)
    later = [event.model_copy(update={"ingested_at": datetime.now(UTC), "round": 9}) for event in EVENTS]
    assert store.append(tmp_path, later, round=1) == (0, 6, ())
    assert files.digest(tmp_path) == before


def test_a_part_contains_only_new_events(tmp_path: Path) -> None:
    store.append(tmp_path, EVENTS[:4], round=0)
    assert store.append(tmp_path, [*EVENTS, EVENTS[5]], round=1) == (2, 5, ())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["part-00000-0.parquet", "part-00001-0.parquet"]


@settings(deadline=None, max_examples=15)
@given(st.lists(st.lists(st.sampled_from(EVENTS), max_size=4), max_size=4))
def test_any_sequence_of_batches_stores_each_event_once(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[FeedbackEvent]]
) -> None:
    folder = tmp_path_factory.mktemp("store")
    appended = [store.append(folder, part, round) for round, part in enumerate(parts)]
    given_ids = [each.feedback_id for part in parts for each in part]
    assert [event.feedback_id for event in store.events(folder)] == list(dict.fromkeys(given_ids))
    assert sum(result.new + result.repeated for result in appended) == len(given_ids)


def test_repeated_after_a_kill_before_the_part_was_written_it_leaves_the_same_bytes(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    store.append(whole, EVENTS[:3], round=0)
    store.append(whole, EVENTS[3:], round=0)
    store.append(broken, EVENTS[:3], round=0)
    leftover = broken / ".part-00000-1.parquet.abc.draft"
    leftover.mkdir()
    (leftover / "part-00000-1.parquet").write_bytes(b"half a file")
    assert len(store.events(broken)) == 3, "a draft is not read"
    assert store.append(broken, EVENTS[:3], round=0) == (3, 0, ())
    store.append(broken, EVENTS[3:], round=0)
    assert files.digest(broken) == files.digest(whole)


def test_repeated_after_a_kill_once_the_part_was_written_it_returns_the_same(tmp_path: Path) -> None:
    store.append(tmp_path, EVENTS[:2], round=0)
    events = [*EVENTS, EVENTS[5]]
    first, second = (store.append(tmp_path, events, round=1) for _ in range(2))
    assert first == second == (4, 3, ())


def test_an_event_with_a_known_id_and_other_content_goes_to_quarantine(tmp_path: Path) -> None:
    store.append(tmp_path, [vote("1", ranks=(1, 2))], round=0)
    for round in (1, 2):
        [changed] = store.append(tmp_path, [vote("1", ranks=(2, 1), round=round)], round).changed
        assert "supersedes" in changed.reason
    assert [event.judgements[0].ranks for event in store.events(tmp_path)] == [(1, 2)]
    assert store.rejections(tmp_path) == [changed], "once, however often it is read"
    assert FeedbackEvent.model_validate_json(changed.record).judgements[0].ranks == (2, 1)


def test_the_digest_depends_on_content_not_on_parts_or_the_time_of_ingestion(tmp_path: Path) -> None:
    first, second, third = tmp_path / "first", tmp_path / "second", tmp_path / "third"
    store.append(first, EVENTS, round=0)
    timed = [event.model_copy(update={"ingested_at": datetime.now(UTC)}) for event in reversed(EVENTS)]
    store.append(second, timed[:2], round=0)
    store.append(second, timed[2:], round=0)
    store.append(third, [*EVENTS[:5], EVENTS[5].model_copy(update={"licence": "MIT"})], round=0)
    assert store.digest(first) == store.digest(second)
    assert store.digest(first) != store.digest(third)


def test_a_missing_folder_is_an_empty_store(tmp_path: Path) -> None:
    folder = tmp_path / "feedback"
    assert (store.events(folder), store.ids(folder), store.groups(folder), store.rejections(folder)) == (
        [],
        set(),
        [],
        [],
    )
    assert store.digest(folder) == store.digest(tmp_path)
    assert not folder.exists()


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    store.append(tmp_path, EVENTS[:1], round=1)
    part = tmp_path / "part-00001-0.parquet"
    part.write_bytes(part.read_bytes()[:-9])
    for read in (store.events, store.ids, store.groups, lambda folder: store.with_ids(folder, {"x"})):
        with pytest.raises(Damaged, match=f"{part} cannot be read as feedback"):
            read(tmp_path)


def test_groups_lists_each_prompt_once_with_its_first_group(tmp_path: Path) -> None:
    store.append(tmp_path, [event("Why?", native="1", prompt_group="g"), event("How?", native="2")], round=0)
    store.append(tmp_path, [event("Why?", native="3", prompt_group="h")], round=1)
    assert [(grouped.group, [turn.content for turn in grouped.prompt]) for grouped in store.groups(tmp_path)] == [
        ("g", ["Why?"]),
        (event("How?").prompt_id, ["How?"]),
    ]


def test_prompts_are_drawn_by_seed(tmp_path: Path) -> None:
    store.append(tmp_path, [event(f"Question {number}?", native=str(number)) for number in range(20)], round=0)
    drawn = store.prompts(tmp_path, 5, seed=1)
    assert drawn == store.prompts(tmp_path, 5, seed=1) != store.prompts(tmp_path, 5, seed=2)
    assert len(set(drawn)) == 5
    assert len(store.prompts(tmp_path, 99, seed=1)) == 20


def test_quarantine_keeps_each_record_once_over_all_rounds(tmp_path: Path) -> None:
    assert store.quarantine(tmp_path, [rejected(1), rejected(2)], round=0) == 2
    before = files.digest(tmp_path)
    assert store.quarantine(tmp_path, [rejected(2), rejected(1)], round=0) == 0
    assert files.digest(tmp_path) == before
    assert store.quarantine(tmp_path, [rejected(2), rejected(3), rejected(3)], round=1) == 1
    assert store.rejections(tmp_path) == [rejected(1), rejected(2), rejected(3)]
    assert sorted(path.name for path in store.quarantine_folder(tmp_path).iterdir()) == [
        "round-00000.jsonl",
        "round-00001.jsonl",
    ]


def test_a_reworded_reason_does_not_add_a_record_again(tmp_path: Path) -> None:
    store.quarantine(tmp_path, [rejected(1, "prompt is empty")], round=0)
    assert store.quarantine(tmp_path, [rejected(1, "the prompt has no text")], round=1) == 0
    assert store.rejections(tmp_path) == [rejected(1, "prompt is empty")]


def test_a_record_with_line_ends_inside_survives_quarantine(tmp_path: Path) -> None:
    odd = RejectedRecord(source="s", where="s:1", reason="r", record="a\r\nb\u2028c\x85d")
    store.quarantine(tmp_path, [odd], round=0)
    assert store.rejections(tmp_path) == [odd]


def test_count_is_the_number_of_events_that_a_round_ingested(tmp_path: Path) -> None:
    assert store.count(tmp_path, 1) == 0
    store.append(tmp_path, EVENTS[:2], 1)
    assert (store.count(tmp_path, 1), store.count(tmp_path, 2)) == (2, 0)


def test_only_the_first_events_are_built(tmp_path: Path) -> None:
    store.append(tmp_path, EVENTS[:2], round=0)
    store.append(tmp_path, EVENTS[2:], round=1)
    assert [event.source_id for event in store.first(tmp_path, 3)] == ["0", "1", "2"]
    assert store.first(tmp_path, 0) == []
    assert len(store.first(tmp_path, 99)) == store.size(tmp_path) == 6
