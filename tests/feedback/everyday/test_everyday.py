"""The everyday prompts and demonstrations: numbers, groups and lengths."""

from collections import Counter

import pytest

from feedback import everyday
from feedback.groups import prompt_groups
from feedback.probes import user_prompt
from feedback.sentences import words


def test_prompts_are_distinct_and_grouped_by_topic() -> None:
    every = everyday.all_prompts()
    assert len({prompt.text for prompt in every}) == len(every) == 924
    assert Counter(Counter(prompt.group for prompt in every).values()) == {2: 462}


def test_no_two_prompts_or_demonstrations_are_near_copies() -> None:
    texts = [prompt.text for prompt in everyday.all_prompts()] + [shown.prompt for shown in everyday.demonstrations()]
    assert len(set(prompt_groups([user_prompt(text) for text in texts]))) == len(texts) == 1_074


def test_prompts_are_drawn_by_the_seed() -> None:
    drawn = everyday.prompts(100, seed=1)
    assert len(set(drawn)) == 100
    assert drawn == everyday.prompts(100, seed=1) != everyday.prompts(100, seed=2)
    assert len(everyday.prompts(5_000, seed=0)) == 924


def test_only_everyday_prompts_have_a_group() -> None:
    first, second = everyday.all_prompts()[:2]
    assert everyday.group(second.prompt) == first.group == second.group
    assert everyday.group(user_prompt("Something else?")) is None
    assert everyday.group((*first.prompt, *first.prompt)) is None


@pytest.mark.parametrize("shown", everyday.demonstrations(), ids=lambda shown: shown.prompt)
def test_a_demonstration_is_an_answer_of_25_to_45_words(shown: everyday.EverydayDemonstration) -> None:
    assert 25 <= len(words(shown.answer)) <= 45
    assert "\n" not in shown.answer
    assert len(words(shown.prompt)) <= 20


def test_there_are_150_demonstrations() -> None:
    assert len({shown.answer for shown in everyday.demonstrations()}) == 150


def test_prompts_are_short() -> None:
    assert max(len(words(prompt.text)) for prompt in everyday.all_prompts()) <= 24
