"""Red-team prompts of the demo world."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from feedback import world
from feedback.world.attacks import WORDINGS


@given(st.integers(0, 10_000))
@settings(max_examples=20)
def test_no_attack_is_worded_like_a_customer_request(seed: int) -> None:
    drawn = world.attacks(50, seed)
    assert [world.parse(attack.prompt[-1].content) for attack in drawn] == [None] * 50
    assert Counter(attack.category for attack in drawn) == dict.fromkeys(WORDINGS, 10)


def test_there_is_at_most_one_attack_per_question() -> None:
    drawn = world.attacks(1000, seed=0)
    assert len({attack.prompt for attack in drawn}) == len(drawn) == 288
