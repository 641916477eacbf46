"""Training prompts that are near-identical to a held-out one."""

import random

import pytest

from feedback import groups, near_copies, world
from feedback.near_copies import NearCopies
from feedback.prompts import PromptRow, prompts
from feedback.schema import FeedbackEvent, GroupedPrompt
from feedback.split import SplitName, SplitSettings
from feedback.votes import first_rounds
from tests.feedback.examples import vote

QUESTION = "How do I return the blue kettle that I bought in your shop last week?"
COPY = "How do I return the blue kettle that I bought in your shop last week, please?"
OTHER = "Where is my parcel?"


def row(question: str, split: SplitName, group: str = "g") -> PromptRow:
    return PromptRow(question, group, split, [{"role": "user", "content": question}], [])


def near_copies_of(rows: list[PromptRow], rounds: dict[str, int] | None = None) -> NearCopies:
    return NearCopies(rows, rounds or {each.prompt_id: 1 for each in rows})


def test_a_copy_of_a_held_out_prompt_is_found_whatever_its_group() -> None:
    rows = [row(QUESTION, "holdout", "a"), row(COPY, "train", "b"), row(OTHER, "train"), row(COPY.upper(), "judge")]
    copies = near_copies_of(rows)
    assert [copies.has(each) for each in rows] == [False, True, False, True]
    assert copies.count == 2


@pytest.mark.parametrize(
    ("training", "held_out", "left_out"),
    [(1, 1, COPY), (2, 1, COPY), (1, 2, QUESTION)],
)
def test_whichever_arrived_later_is_left_out(training: int, held_out: int, left_out: str) -> None:
    rows = [row(COPY, "train", "a"), row(QUESTION, "holdout", "b")]
    copies = near_copies_of(rows, {COPY: training, QUESTION: held_out})
    assert [each.prompt_id for each in rows if copies.has(each)] == [left_out]
    assert copies.count == 1


def test_a_prompt_that_is_left_out_removes_no_other() -> None:
    """The held-out prompt of round 2 is left out for that of round 1, and so that of round 3 may stay."""
    third = COPY.replace("week, please", "week please")
    rows = [row(QUESTION, "train", "a"), row(COPY, "holdout", "b"), row(third, "judge", "c")]
    copies = near_copies_of(rows, {QUESTION: 1, COPY: 2, third: 3})
    assert [copies.has(each) for each in rows] == [False, True, False]


def test_items_of_a_fixed_prompt_are_no_copies() -> None:
    rows = [row(QUESTION, "holdout", "item-1"), row(QUESTION, "train", "item-2"), row(COPY, "train")]
    assert near_copies_of(rows).count == 0


@pytest.mark.parametrize("split", ["train", "holdout"])
def test_without_held_out_prompts_or_without_others_nothing_is_a_copy(split: SplitName) -> None:
    assert near_copies_of([row(QUESTION, split), row(COPY, split)]).count == 0
    assert near_copies_of([]).count == 0


def test_the_larger_set_may_be_either() -> None:
    others = [f"question number {number} about something else" for number in range(5)]
    assert near_copies.near(
        [groups.opening(vote("1", question=QUESTION).prompt)], [*others, QUESTION.lower()[:-1]]
    ) == {QUESTION.lower()[:-1]}
    assert near_copies.near([*others, "a b"], ["a b"]) == {"a b"}
    assert near_copies.near(["", "a"], ["", "b"]) == {""}


def stored(rounds: list[list[str]]) -> list[FeedbackEvent]:
    """Votes on these questions, grouped round by round as `ingest` does."""
    events: list[FeedbackEvent] = []
    for number, questions in enumerate(rounds):
        new = [vote(f"{number}-{ix}", question=text, round=number) for ix, text in enumerate(questions)]
        events += groups.regroup(new, {event.prompt_id: _grouped(event) for event in events}.values())
    return events


def _grouped(event: FeedbackEvent) -> GroupedPrompt:
    return GroupedPrompt(event.prompt_id, event.prompt_group, event.prompt)


def test_the_embedded_world_has_no_copies_over_many_rounds() -> None:
    """Its data and weights are those of before: no prompt is left out."""
    texts = sorted({request.text for request in world.prompts(3000, seed=0)})
    random.Random(0).shuffle(texts)
    events = stored([texts[:1000], texts[1000:1500], texts[1500:2000], texts[2000:]])
    for salt in ("salt", "other"):
        assert NearCopies(prompts(events, SplitSettings(), salt), first_rounds(events)).count == 0


def test_a_prompt_that_joins_late_near_two_groups_is_in_no_split_with_a_copy_of_the_other() -> None:
    """It joins the first group, and the two are not merged."""
    words = [f"w{number}" for number in range(40)]
    changed = ["x1", "x2", "x3", *words[3:37], "y1", "y2", "y3"]
    first, second, between = " ".join(words), " ".join(changed), " ".join([*words[:3], *changed[3:]])
    events = stored([[first], [second], [between]])
    found = {}
    for salt in map(str, range(40)):
        rows = prompts(events, SplitSettings(train=0.5, judge=0.0, holdout=0.5), salt)
        split = {each.prompt[0]["content"]: each.split for each in rows}
        copies = NearCopies(rows, first_rounds(events))
        left = {each.prompt[0]["content"]: each.split for each in rows if not copies.has(each)}
        found[split[first], split[second]] = sorted(left)
    assert len({event.prompt_group for event in events}) == 2
    assert found["train", "train"] == found["holdout", "holdout"] == sorted([first, second, between])
    assert found["train", "holdout"] == sorted([first, second]), "the late one is near the held-out one"
    assert found["holdout", "train"] == sorted([first, second]), "the late one is held out, near the training one"
