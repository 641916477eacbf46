"""Customer requests: rendered as prompts, and parsed back."""

from collections import defaultdict

import pytest
from hypothesis import given, settings

from feedback import world
from feedback.groups import prompt_groups
from feedback.world import CustomerRequest
from tests.feedback.world.sentences import requests


@settings(deadline=None)
@given(requests())
def test_a_rendered_request_is_parsed_back(request: CustomerRequest) -> None:
    [turn] = world.render(request)
    assert turn.role == "user"
    assert world.parse(turn.content) == request


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hi! ",
        "How do I return the moon?",
        "How do I return the kettle",
        "Hi! Hi! How do I return the kettle?",
        "How do I return the kettle? How do I return the kettle?",
        "What is the capital of France?",
    ],
)
def test_a_text_from_elsewhere_is_not_parsed(text: str) -> None:
    assert world.parse(text) is None


def test_prompts_are_distinct_and_follow_the_seed() -> None:
    drawn = world.prompts(2_000, seed=1)
    assert len({request.text for request in drawn}) == 2_000
    assert drawn == world.prompts(2_000, seed=1)
    assert len(set(drawn) & set(world.prompts(2_000, seed=2))) < 120  # 54 by chance


def test_a_larger_count_gives_all_prompts() -> None:
    assert len(set(world.prompts(10**6, seed=0))) == 12 * 24 * 4 * 8 * 8


def test_near_identical_prompts_have_the_same_intent_and_item() -> None:
    drawn = world.prompts(2_000, seed=3)
    meanings = defaultdict(set)
    for request, group in zip(drawn, prompt_groups([world.render(request) for request in drawn]), strict=True):
        meanings[group].add((request.intent, request.item))
    assert all(len(of_group) == 1 for of_group in meanings.values())
    assert len(meanings) > 1_900
