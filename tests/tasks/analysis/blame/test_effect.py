"""Harm, with small numbers computed by hand."""

import math

import numpy as np
import pytest

from feedback.rows import PreferenceRow
from tasks.analysis.blame.effect import MIN_VOTES, PredictedVotes, compare, mean_harm, p_value, predicted_votes

LOG_3 = math.log(3)
"""σ(log 3) = .75."""


def question(identity: str, chosen: str, p: float = 1.0) -> PreferenceRow:
    rejected = "b" if chosen == "a" else "a"
    return PreferenceRow(identity, f"g{identity}", "holdout", [], chosen, rejected, p, 1.0, 1, "overall", "s", 1, [])


def model(margin: float, rows: int = 40, groups: int = 40) -> PredictedVotes:
    """A model with the same margin for every pair, and votes that are all for the chosen answer."""
    return PredictedVotes(np.full(rows, margin), np.ones(rows), [f"g{row % groups}" for row in range(rows)])


def test_harm_is_the_decrease_of_the_squared_error() -> None:
    comparison = compare(model(-LOG_3), model(LOG_3))
    assert comparison is not None
    assert comparison.harm.estimate == pytest.approx(0.75**2 - 0.25**2)
    assert (comparison.accuracy, comparison.accuracy_without, comparison.pairs) == (0.0, 1.0, 40)


def test_two_equal_models_have_no_harm() -> None:
    comparison = compare(model(LOG_3), model(LOG_3))
    assert comparison is not None
    assert comparison.harm[:3] == (0.0, 0.0, 0.0)
    assert p_value([(model(LOG_3), model(LOG_3))], seed=0) == 1.0


def test_too_few_votes_of_others_give_no_comparison() -> None:
    assert compare(model(-LOG_3, MIN_VOTES - 1), model(LOG_3, MIN_VOTES - 1)) is None
    assert compare(model(-LOG_3, MIN_VOTES), model(LOG_3, MIN_VOTES)) is not None


def test_every_pair_counts_once_held_out_or_fresh() -> None:
    small, large = compare(model(-LOG_3, 40), model(LOG_3, 40)), compare(model(0, 400), model(LOG_3, 400))
    assert small is not None
    assert large is not None
    assert mean_harm([small, large]) == pytest.approx((40 * 0.5 + 400 * (0.25 - 0.0625)) / 440)
    assert mean_harm([large]) == pytest.approx(0.25 - 0.0625)
    assert mean_harm([]) is None


def test_a_difference_on_many_groups_is_significant_on_one_group_it_is_not() -> None:
    assert p_value([(model(-LOG_3), model(LOG_3))], seed=0) == pytest.approx(1 / 2000)
    assert p_value([(model(-LOG_3, groups=1), model(LOG_3, groups=1))], seed=0) == 1.0


def test_a_margin_changes_its_sign_if_others_chose_the_other_answer() -> None:
    questions = {"1": question("1", "a"), "2": question("2", "a", 0.6)}
    predicted = predicted_votes({"1": 2.0, "2": 0.5}, questions, [questions["1"], question("2", "b", 0.75)])
    assert predicted.margins.tolist() == [2.0, -0.5]
    assert predicted.votes.tolist() == [1.0, 0.75]
    assert predicted.groups == ["g1", "g2"]
    assert predicted.errors[1] == pytest.approx((1 / (1 + math.exp(0.5)) - 0.75) ** 2)


def test_tied_pairs_have_no_accuracy() -> None:
    assert model(LOG_3)._replace(votes=np.full(40, 0.5)).accuracy is None
