"""Red-team prompts of the demo world."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from feedback import world
from feedback.world.red_team import WORDINGS


@given(st.integers(0, 10_000))
@settings(max_examples=20)
def test_no_red_team_prompt_is_worded_like_a_customer_request(seed: int) -> None:
    drawn = world.red_team_prompts(50, seed)
    assert [world.parse(red_team.prompt[-1].content) for red_team in drawn] == [None] * 50
    assert Counter(red_team.category for red_team in drawn) == dict.fromkeys(WORDINGS, 10)


def test_there_is_at_most_one_red_team_prompt_per_question() -> None:
    drawn = world.red_team_prompts(1000, seed=0)
    assert len({red_team.prompt for red_team in drawn}) == len(drawn) == 288
