import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.agreement import agreement, alpha

# The example of Krippendorff 2011 ("Computing Krippendorff's alpha-reliability", part D): 4 observers, 12 units.
OBSERVERS = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)
UNITS = [[float(v) for v in unit if v != "."] for unit in zip(*(row.split() for row in OBSERVERS), strict=True)]


def test_alpha_of_the_published_example() -> None:
    assert alpha(UNITS) == pytest.approx(0.849, abs=5e-4)


def test_alpha_is_none_where_it_is_undefined() -> None:
    assert alpha([]) is None
    assert alpha([[1.0], [0.0]]) is None
    assert alpha([[1.0, 1.0], [1.0, 1.0]]) is None


def test_agreement_computed_by_hand() -> None:
    result = agreement([[1, 1, 0], [0.5, 0.5], [1]])
    # first pair: 1 of 3 pairs of votes is equal; second pair: 1 of 1; the third pair has a single vote
    assert result is not None
    assert result.pairs == 2
    assert result.share == pytest.approx((1 / 3 + 1) / 2)
    assert agreement([[1], [0]]) is None


def test_random_votes_agree_at_chance_level() -> None:
    rng = np.random.default_rng(0)
    result = agreement(rng.integers(0, 2, size=(2000, 3)).astype(float).tolist())
    assert result is not None
    assert result.alpha == pytest.approx(0, abs=0.05)
    assert result.share == pytest.approx(0.5, abs=0.03)


@given(st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=4), max_size=8))
def test_the_order_of_the_two_answers_does_not_matter(shares: list[list[float]]) -> None:
    mirrored = [[1 - vote for vote in votes] for votes in shares[:1]] + shares[1:]
    straight, other = agreement(shares), agreement(mirrored)
    assert (straight is None) == (other is None)
    if straight and other:
        assert straight.pairs == other.pairs
        assert straight.share == pytest.approx(other.share)
        assert straight.alpha == pytest.approx(other.alpha)
