from pathlib import Path

from feedback import excerpt, store
from tests.feedback.examples import event, vote


def test_prompts_are_one_per_group_of_the_given_rounds(tmp_path: Path) -> None:
    store.append(tmp_path, [vote("1"), vote("2"), vote("3", question="Is it late?")], round=1)
    store.append(
        tmp_path, [vote("4", question="Who are you?"), vote("5", question="Gone?", status="withdrawn")], round=2
    )
    assert sorted(excerpt.prompts(tmp_path, range(2), 10, seed=0)) == ["Is it late?", "Why is the sky blue?"]
    assert excerpt.prompts(tmp_path, (2,), 10, seed=0) == ["Who are you?"]
    assert len(excerpt.prompts(tmp_path, range(3), 2, seed=0)) == 2
    assert excerpt.prompts(tmp_path, (7,), 10, seed=0) == []


def test_votes_are_all_comparisons_of_a_group_without_demonstrations(tmp_path: Path) -> None:
    demonstration = event(question="How?", kind="demonstration", native="9", answers=("So.",))
    store.append(tmp_path, [vote("1"), vote("2"), demonstration], round=1)
    assert {event.source_id for event in excerpt.votes(tmp_path, range(2), 1, seed=0)} == {"1", "2"}


def test_prompts_of_given_events_are_one_per_group() -> None:
    events = [vote("1"), vote("2"), vote("3", question="Is it late?")]
    assert sorted(excerpt.prompts_of(events, 10, seed=0)) == ["Is it late?", "Why is the sky blue?"]
    assert len(excerpt.prompts_of(events, 1, seed=0)) == 1
