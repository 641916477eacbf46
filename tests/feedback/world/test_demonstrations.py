"""Demonstrations of the demo world, and their quality."""

from random import Random
from statistics import fmean

import pytest
from hypothesis import given, settings

from feedback import world
from feedback.world import CustomerRequest
from tests.feedback.world.sentences import KETTLE, requests


@settings(deadline=None)
@given(requests())
def test_the_best_answer_has_a_utility_of_three(request: CustomerRequest) -> None:
    assert world.utility(request, world.best(request)) == 3.0


def test_demonstrations_have_the_stated_quality() -> None:
    rng = Random(0)
    drawn = [(request, world.demonstrate(request, rng)) for request in world.prompts(4_000, seed=0)]
    answers = [world.parts(*demonstration) for demonstration in drawn]
    # Four standard errors at n = 4,000: .03 of a share of .65, .10 of a utility with deviation 1.6.
    assert fmean(parts.correct for parts in answers) == pytest.approx(0.65, abs=0.03)
    assert fmean(parts.garbled for parts in answers) == pytest.approx(0.14, abs=0.03)
    assert fmean(parts.harmful for parts in answers) == pytest.approx(0.15, abs=0.03)
    assert fmean(parts.rude for parts in answers) == pytest.approx(0.25, abs=0.03)
    assert fmean(parts.filler for parts in answers) == pytest.approx(0.6, abs=0.05)
    assert fmean(world.utility(*demonstration) for demonstration in drawn) == pytest.approx(0.595, abs=0.1)


def test_demonstrations_follow_their_random_number_generator() -> None:
    first, again, other = (world.demonstrate(KETTLE, Random(seed)) for seed in (5, 5, 6))
    assert first == again != other
