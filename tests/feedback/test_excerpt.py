from pathlib import Path

from feedback import excerpt, store
from tests.feedback.examples import event, vote


def test_one_prompt_of_each_group_and_of_the_rounds_asked_for(tmp_path: Path) -> None:
    store.append(tmp_path, [vote("1"), vote("2"), vote("3", question="Is it late?")], round=1)
    store.append(
        tmp_path, [vote("4", question="Who are you?"), vote("5", question="Gone?", status="withdrawn")], round=2
    )
    assert sorted(excerpt.prompts(tmp_path, range(2), 10, seed=0)) == ["Is it late?", "Why is the sky blue?"]
    assert excerpt.prompts(tmp_path, (2,), 10, seed=0) == ["Who are you?"]
    assert len(excerpt.prompts(tmp_path, range(3), 2, seed=0)) == 2
    assert excerpt.prompts(tmp_path, (7,), 10, seed=0) == []


def test_all_votes_of_a_group_and_no_demonstration(tmp_path: Path) -> None:
    shown = event(question="How?", kind="demonstration", native="9", answers=("So.",))
    store.append(tmp_path, [vote("1"), vote("2"), shown], round=1)
    assert {found.source_id for found in excerpt.votes(tmp_path, range(2), 1, seed=0)} == {"1", "2"}


def test_events_at_hand_are_thinned_alike() -> None:
    events = [vote("1"), vote("2"), vote("3", question="Is it late?")]
    assert sorted(excerpt.one_each(events, 10, seed=0)) == ["Is it late?", "Why is the sky blue?"]
    assert len(excerpt.one_each(events, 1, seed=0)) == 1
