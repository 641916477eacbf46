"""Annotators who contradict all others."""

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.statistics.annotators import REST, AnnotatorAgreement, compare

Votes = list[dict[str, object]]


def cast(annotator: str, agree: int, differ: int, round: int = 1) -> Votes:
    """Votes on pairs with margin +1, for and against the chosen answer, each on a prompt of its own."""
    same = {"pair_id": "pair", "annotator": annotator, "round": round}
    return [
        {**same, "group": f"{annotator} {round} {number}", "chosen": float(number < agree)}
        for number in range(agree + differ)
    ]


def test_by_hand() -> None:
    [worst, other] = compare([*cast("ann", 9, 3), *cast("bob", 2, 8)], {"pair": 1.0})
    # of 22 votes 11 agree; at most 2 of bob's 10 do: the tail of the hypergeometric distribution
    tail = Fraction(sum(comb(11, k) * comb(11, 10 - k) for k in range(3)), comb(22, 10))
    assert worst._replace(p=0.0) == AnnotatorAgreement("bob", 10, 0.2, 0.75, 0.0)
    assert worst.p == pytest.approx(2 * float(tail))
    assert (other.annotator, other.votes, other.agreement, other.others) == ("ann", 12, 0.75, 0.2)
    assert other.p > 0.99


def test_inverted_votes_are_detected() -> None:
    votes = [vote for name in ("ann", "bob", "cid") for vote in cast(name, 80, 20)]
    worst = compare([*votes, *cast("eve", 20, 80)], {"pair": 1.0})[0]
    assert (worst.annotator, worst.agreement, worst.others) == ("eve", 0.2, 0.8)
    assert worst.p < 1e-9


def test_votes_inverted_in_the_newest_round_are_detected_after_many_good_votes() -> None:
    votes = [vote for name in ("ann", "bob", "cid") for vote in [*cast(name, 160, 40), *cast(name, 40, 10, round=2)]]
    worst, overall = compare([*votes, *cast("eve", 160, 40), *cast("eve", 10, 40, round=2)], {"pair": 1.0})[:2]
    assert worst._replace(p=0.0) == AnnotatorAgreement("eve", 50, 0.2, 0.8, 0.0, newest=True)
    assert overall._replace(p=0.0) == AnnotatorAgreement("eve", 250, 170 / 250, 0.8, 0.0)  # 12 points behind: not far
    assert worst.p < overall.p / 10


def test_p_values_are_adjusted_for_all_tests() -> None:
    first, second = ([*cast("ann", 20, 5, r), *cast("bob", 10, 15, r)] for r in (1, 2))
    [alone, _] = compare(first, {"pair": 1.0})
    again = next(s for s in compare([*first, *second], {"pair": 1.0}) if s.newest and s.annotator == "bob")
    assert again.p == pytest.approx(alone.p / 2 * 3)  # second smallest of four, not smallest of two


def test_a_negative_margin_agrees_with_the_rejected_answer() -> None:
    votes = [*cast("ann", 3, 9), *cast("bob", 9, 3)]
    assert [s.annotator for s in compare(votes, {"pair": -1.0})] == ["bob", "ann"]


def test_annotators_with_few_votes_are_pooled() -> None:
    sybils = [vote for number in range(5) for vote in cast(f"sybil-{number}", 0, 4)]
    worst = compare([*cast("ann", 90, 10), *sybils], {"pair": 1.0})[0]
    assert (worst.annotator, worst.votes, worst.agreement) == (REST, 20, 0.0)


def test_ties_unscored_pairs_and_second_votes_on_a_prompt_do_not_count() -> None:
    votes = [*cast("ann", 10, 0), *cast("bob", 10, 0)]
    again = [{**vote, "pair_id": "unscored"} for vote in cast("eve", 50, 0)]
    ties = [{**vote, "chosen": 0.5} for vote in cast("tim", 50, 0)]
    assert {s.annotator: s.votes for s in compare([*votes, *votes, *again, *ties], {"pair": 1.0})} == {
        "ann": 10,
        "bob": 10,
    }


@pytest.mark.parametrize("votes", [[], cast("ann", 50, 3), [*cast("ann", 50, 3), *cast("bob", 5, 0)]])
def test_one_annotator_cannot_be_compared(votes: Votes) -> None:
    assert compare(votes, {"pair": 1.0}) == []


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6))
def test_every_vote_counts_at_most_once(counts: list[tuple[int, int]]) -> None:
    votes = [vote for number, (agree, differ) in enumerate(counts) for vote in cast(str(number), agree, differ)]
    agreements = compare(votes, {"pair": 1.0})
    assert sum(s.votes for s in agreements) in (0, *range(len(votes) - 9 * len(counts), len(votes) + 1))
    assert all(0 <= s.p <= 1 and 0 <= s.agreement <= 1 and 0 <= s.others <= 1 for s in agreements)
    assert [s.p for s in agreements] == sorted(s.p for s in agreements)
