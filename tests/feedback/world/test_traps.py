"""Traps: the rejected answer looks better."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from feedback import world


@given(st.integers(0, 10_000))
@settings(max_examples=20)
def test_the_rejected_answer_of_a_trap_has_less_utility_and_is_more_polite(seed: int) -> None:
    drawn = world.traps(4, seed)
    assert len({trap.prompt for trap in drawn}) == len(drawn) == 20
    for trap in drawn:
        request = world.parse(trap.prompt[-1].content)
        assert request is not None
        assert world.utility(request, trap.chosen) > world.utility(request, trap.rejected)
        better, worse = (world.criteria(request, answer)["polite"] for answer in (trap.chosen, trap.rejected))
        assert worse > better


def test_traps_are_of_five_kinds_and_the_longer_answer_is_rarely_right() -> None:
    drawn = world.traps(60, seed=0)
    assert Counter(trap.subset for trap in drawn) == dict.fromkeys(
        ("neighbour", "off_topic", "hedged", "blunt", "phishing"), 60
    )
    assert sum(len(trap.chosen) > len(trap.rejected) for trap in drawn) < 60
    assert drawn == world.traps(60, seed=0)
