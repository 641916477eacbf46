"""Events on their way into a part of the store."""

from pathlib import Path

import pytest

from feedback import store
from feedback.store import draft
from tests.feedback.examples import event, vote


def test_the_same_record_read_in_another_way_is_repeated_and_not_changed(tmp_path: Path) -> None:
    """An older version stored a blank annotator, which today is an unknown one."""
    old = vote("1", source_sha256="a" * 64).model_copy(update={"annotator_id": " "})
    today = old.model_copy(update={"annotator_id": "unknown"})
    store.append(tmp_path, [old], round=0)
    for round in (1, 2):
        assert store.append(tmp_path, [today], round) == (0, 1, ())
    assert store.append(tmp_path, [today], round=0) == (1, 0, ()), "also when the round is repeated after a kill"
    assert store.rejections(tmp_path) == []


def test_another_record_with_the_same_id_is_changed(tmp_path: Path) -> None:
    first, other = vote("1", ranks=(1, 2), source_sha256="a" * 64), vote("1", ranks=(2, 1), source_sha256="b" * 64)
    assert len(store.append(tmp_path, [first, other, first], round=0).changed) == 1
    assert store.append(tmp_path, [first], round=1) == (0, 1, ())
    assert len(store.append(tmp_path, [other], round=1).changed) == 1


def test_more_events_than_are_objects_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = [vote(str(number), annotator_id=f"annotator {number}") for number in range(10)]
    store.append(tmp_path / "whole", events, round=3)
    monkeypatch.setattr(draft, "_CHUNK", 3)
    changed = events[1].model_copy(update={"licence": "MIT"})
    appended = store.append(tmp_path / "chunks", [*events, *events, changed], round=3)
    assert (appended.new, appended.repeated, len(appended.changed)) == (10, 10, 1)
    assert store.events(tmp_path / "chunks") == store.events(tmp_path / "whole")


def test_groups_are_filled_in_when_the_part_is_written(tmp_path: Path) -> None:
    part = store.Draft(tmp_path, round=0)
    for name in ("1", "2", "1"):
        part.add(event(f"Question {name}?", native=name))
    assert part.prompts() == [event(f"Question {name}?").prompt_id for name in ("1", "2")]
    assert [each.feedback_id for each in part.with_prompts(part.prompts()[1:])] == [event(native="2").feedback_id]
    assert not list(tmp_path.iterdir()), "nothing is on disk yet"
    assert part.write(["a", "b"]) == (2, 1, ())
    assert [each.prompt_group for each in store.events(tmp_path)] == ["a", "b"]
