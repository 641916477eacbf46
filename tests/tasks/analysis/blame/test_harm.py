"""Harm, with small numbers worked by hand."""

import math

import numpy as np
import pytest

from feedback.rows import PreferenceRow
from tasks.analysis.blame.harm import MIN_VOTES, PredictedVotes, chance, evidence, overall, said

SURE = math.log(3)
"""σ(log 3) = .75."""


def asked(identity: str, chosen: str, p: float = 1.0) -> PreferenceRow:
    rejected = "b" if chosen == "a" else "a"
    return PreferenceRow(identity, f"g{identity}", "holdout", [], chosen, rejected, p, 1.0, 1, "overall", "s", 1, [])


def model(margin: float, rows: int = 40, groups: int = 40) -> PredictedVotes:
    """A model that gives every pair the same margin, and votes that are all for chosen."""
    return PredictedVotes(np.full(rows, margin), np.ones(rows), [f"g{row % groups}" for row in range(rows)])


def test_harm_is_by_how_much_the_squared_error_falls() -> None:
    found = evidence(model(-SURE), model(SURE))
    assert found is not None
    assert found.harm.estimate == pytest.approx(0.75**2 - 0.25**2)
    assert (found.accuracy, found.accuracy_without, found.pairs) == (0.0, 1.0, 40)


def test_the_same_model_does_no_harm() -> None:
    found = evidence(model(SURE), model(SURE))
    assert found is not None
    assert found.harm[:3] == (0.0, 0.0, 0.0)
    assert chance([(model(SURE), model(SURE))], seed=0) == 1.0


def test_too_few_votes_of_others_are_no_evidence() -> None:
    assert evidence(model(-SURE, MIN_VOTES - 1), model(SURE, MIN_VOTES - 1)) is None
    assert evidence(model(-SURE, MIN_VOTES), model(SURE, MIN_VOTES)) is not None


def test_every_pair_counts_once_whichever_kind_of_evidence_it_is() -> None:
    small, large = evidence(model(-SURE, 40), model(SURE, 40)), evidence(model(0, 400), model(SURE, 400))
    assert small is not None
    assert large is not None
    assert overall([small, large]) == pytest.approx((40 * 0.5 + 400 * (0.25 - 0.0625)) / 440)
    assert overall([large]) == pytest.approx(0.25 - 0.0625)
    assert overall([]) is None


def test_a_difference_on_many_groups_is_no_chance_on_one_it_may_be() -> None:
    assert chance([(model(-SURE), model(SURE))], seed=0) == pytest.approx(1 / 2000)
    assert chance([(model(-SURE, groups=1), model(SURE, groups=1))], seed=0) == 1.0


def test_a_margin_is_turned_where_others_chose_the_other_answer() -> None:
    questions = {"1": asked("1", "a"), "2": asked("2", "a", 0.6)}
    found = said({"1": 2.0, "2": 0.5}, questions, [questions["1"], asked("2", "b", 0.75)])
    assert found.margins.tolist() == [2.0, -0.5]
    assert found.votes.tolist() == [1.0, 0.75]
    assert found.groups == ["g1", "g2"]
    assert found.errors[1] == pytest.approx((1 / (1 + math.exp(0.5)) - 0.75) ** 2)


def test_pairs_that_are_split_evenly_have_no_right_side() -> None:
    assert model(SURE)._replace(votes=np.full(40, 0.5)).accuracy is None
