"""What a workspace that is fed with one form learns from it, or why it cannot."""

import pytest

from feedback.outlook import Outlook, outlook
from feedback.schema import FeedbackEvent, Judgement
from tests.feedback.examples import event, vote
from tests.feedback.test_forms import correction, judged, rating, thumb


def seen(*events: FeedbackEvent, criterion: str = "overall") -> Outlook:
    return outlook(events, criterion, 0.2)


def test_another_criterion_is_named_with_the_knob() -> None:
    events = [vote(str(number), question=f"Question {number}?", criterion="Overall") for number in range(150)]
    assert seen(*events).no_pairs() == (
        "150 comparisons, none by the criterion `overall`; there is `Overall`: set curate.criterion"
    )
    assert seen(*events, criterion="Overall").learned_pairs == 150


@pytest.mark.parametrize(
    ("events", "facts"),
    [
        ([rating("1", "a", 5, "ana"), rating("2", "b", 1, "ben")], ["2 ratings", "curate.min_rating_difference"]),
        ([thumb("1", "a", 1), thumb("2", "a", 0), thumb("3", "b", 0)][:2], ["2 thumbs", "thumb down"]),
        ([judged("critique", "1", "a", rationale="Long.")], ["1 critiques", "ranks"]),
        ([judged("label", "1", "a", label="billing")], ["1 labels", "`up` or `down`"]),
        ([event(kind="demonstration", answers=("a",))], ["1 demonstrations", "bring comparisons"]),
        ([], ["no feedback"]),
    ],
)
def test_one_form_alone_that_gives_no_pair(events: list[FeedbackEvent], facts: list[str]) -> None:
    found = seen(*events)
    assert found.learned_pairs == 0
    assert all(fact in found.no_pairs() for fact in facts)


@pytest.mark.parametrize(
    ("events", "lines"),
    [
        ([vote("1")], ["reward model: 1 pairs by the criterion `overall`"]),
        ([rating("1", "a", 5), rating("2", "b", 1)], ["reward model: 1 pairs by the criterion `overall`"]),
        ([thumb("1", "a", 1), thumb("2", "b", 0)], ["reward model: 1 pairs by the criterion `overall`"]),
        ([correction()], ["SFT: 1 answers to imitate", "reward model: 1 pairs by the criterion `overall`"]),
        ([event(kind="demonstration", answers=("a",))], ["SFT: 1 answers to imitate"]),
    ],
)
def test_one_form_alone_that_trains(events: list[FeedbackEvent], lines: list[str]) -> None:
    assert seen(*events).learns() == lines


def test_a_form_that_gives_nothing_is_named_beside_others() -> None:
    mixed = [vote("1"), judged("critique", "2", "a", rationale="Long.")]
    [reason] = seen(*mixed).useless()
    assert reason.startswith("1 critiques")
    unranked = event(native="3", judgements=(Judgement(outcome="skip"),))
    assert seen(unranked).learned_pairs == 0
