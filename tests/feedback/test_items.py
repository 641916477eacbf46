"""Feedback whose records share one prompt: it is grouped and split by item."""

from pathlib import Path
from typing import Any

from feedback import items, store
from feedback.forms import cast
from feedback.groups import regroup
from feedback.items import MIN_ITEMS, is_item
from feedback.preferences import demonstrations, preferences
from feedback.prompts import prompts
from feedback.schema import FeedbackEvent, GroupedPrompt
from feedback.split import SplitSettings
from tests.feedback.examples import event, vote

PROMPT = "Correct the text."
WORDS = ("red", "green", "blue", "black", "white", "brown", "grey", "pink", "gold", "cyan")


def item(number: int, native: str = "", **fields: Any) -> FeedbackEvent:
    """A vote on two versions of a text; texts of different numbers share no pair of words."""
    name = f"{WORDS[number % 10]} {WORDS[number // 10]}"
    answers = (f"{name} text {number}", f"{name} txet {number}")
    return vote(native or f"{number}", answers=answers, question=PROMPT, **fields)


def test_records_of_one_prompt_are_split_by_item() -> None:
    events = regroup([item(number) for number in range(100)])
    assert len({each.prompt_group for each in events}) == 100
    rows = preferences(events, SplitSettings(), "salt").rows
    sizes = [sum(row.split == split for row in rows) for split in ("train", "judge", "holdout")]
    assert sum(sizes) == 100
    assert min(sizes) >= 5
    assert {row.split for row in prompts(events, SplitSettings(), "salt")} == {"train", "judge", "holdout"}


def test_near_identical_answers_are_one_item() -> None:
    text = "one two three four five six seven eight"
    similar = [
        vote("a", question=PROMPT, answers=(text, "x y")),
        vote("b", question=PROMPT, answers=(text + " nine", "z")),
    ]
    events = regroup([*similar, *(item(number) for number in range(MIN_ITEMS))])
    assert events[0].prompt_group == events[1].prompt_group
    assert events[2].prompt_group != events[3].prompt_group


def test_prompts_that_few_records_share_stay_one_group() -> None:
    few = regroup([item(number) for number in range(MIN_ITEMS - 1)])
    assert not any(is_item(each.prompt_group) for each in few)
    others = [vote(f"other {number}", question=f"{number}?") for number in range(MIN_ITEMS + 1)]
    assert not any(is_item(each.prompt_group) for each in regroup([*(item(n) for n in range(MIN_ITEMS)), *others]))


def test_a_prompt_that_is_stored_as_one_group_stays_so() -> None:
    first = item(0)
    known = [GroupedPrompt(first.prompt_id, first.prompt_id, first.prompt)]
    assert {each.prompt_group for each in regroup([item(n) for n in range(MIN_ITEMS)], known)} == {first.prompt_id}


def test_later_records_join_the_items_that_are_stored(tmp_path: Path) -> None:
    before = regroup([item(number) for number in range(MIN_ITEMS)])
    store.append(tmp_path, before, 0)
    later = regroup([item(3, "again"), item(30)], store.groups(tmp_path), lambda fixed: items.stored(tmp_path, fixed))
    assert later[0].prompt_group == before[3].prompt_group
    assert is_item(later[1].prompt_group)
    assert later[1].prompt_group not in {each.prompt_group for each in before}


def test_demonstrations_of_one_prompt_are_split_by_item() -> None:
    shown = [event(PROMPT, (f"{word} answer",), "demonstration", word) for word in WORDS * 2]
    shown += [event(PROMPT, (f"other {word}",), "demonstration", f"other {word}") for word in WORDS]
    rows = demonstrations(regroup(shown), SplitSettings(), "salt")
    assert len({row.group for row in rows}) == 20


def test_ratings_of_different_items_are_not_compared() -> None:
    rated = [
        event(PROMPT, (f"{word} {other}",), "binary", f"{word} {other}", annotator_id="ana")
        for word in WORDS
        for other in WORDS[:3]
    ]
    with_scores = [
        each.model_copy(update={"judgements": (vote("x").judgements[0].model_copy(update={"scores": (ix % 2,)}),)})
        for ix, each in enumerate(rated)
    ]
    assert cast(with_scores) != []
    assert cast(regroup(with_scores)) == []


def test_a_fixed_prompt_near_a_stored_one_joins_its_group() -> None:
    question = "How do I return the blue kettle that I bought in your shop last week?"
    stored = vote("0", question=question)
    known = [GroupedPrompt(stored.prompt_id, "held out", stored.prompt)]
    copies = [
        vote(f"{n}", question=f"{question[:-1]}{end}", answers=(f"a{n}", f"b{n}"))
        for n, end in enumerate([" please"] * MIN_ITEMS + [""] * MIN_ITEMS)
    ]
    assert {each.prompt_group for each in regroup(copies, known)} == {"held out"}
