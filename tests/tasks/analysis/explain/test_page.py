"""Colours and labels of an explanation as a page."""

import pytest

from models.attribution import Attribution, TokenAttribution
from tasks.analysis.explain import AnswerToExplain, Explained, Explanation
from tasks.analysis.explain.page import largest, page, shade, signed, visible
from tests.tasks.analysis.explain.test_explain import VERSION
from tests.tasks.steps.hand_written import turns


def attributed(*heads: float) -> Attribution:
    pieces = [TokenAttribution(f"<b>{number}", head, 0.0) for number, head in enumerate(heads)]
    return Attribution(sum(heads), 0.0, pieces, error=0.0, steps=8, truncated=0, cut=0)


@pytest.mark.parametrize(
    ("number", "label"), [(0.123, "+0.12"), (-0.066, "−0.07"), (0.004, "0.00"), (-0.004, "0.00"), (0.0, "0.00")]
)
def test_a_contribution_as_a_label(number: float, label: str) -> None:
    assert signed(number) == label


def test_the_largest_contribution_is_at_least_a_tenth() -> None:
    assert largest(attributed(0.2, -0.5)) == 0.5
    assert largest(attributed(0.01)) == 0.1


def test_shades_are_blue_above_zero_and_orange_below() -> None:
    assert shade(0.5, most=0.5) == "rgba(33,102,172,0.75)"
    assert shade(-0.25, most=0.5) == "rgba(202,90,0,0.38)"  # half of .75
    assert shade(0.0, most=0.5) == "rgba(202,90,0,0.00)"
    assert shade(9.0, most=0.5) == shade(0.5, most=0.5)


def test_line_breaks_are_visible_and_markup_is_escaped() -> None:
    assert visible("one\ntwo") == "one⏎two"
    answer = AnswerToExplain("answer", turns("Where is <i>it</i>?"), "<b>0")
    html = page(Explanation(VERSION, (Explained(answer, attributed(0.3), ()),), "the round is gone"))
    assert "&lt;b&gt;0" in html
    assert "&lt;i&gt;it" in html
    assert "<b>0" not in html
    assert "the round is gone" in html
