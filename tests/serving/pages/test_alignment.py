"""Which rows two answers take side by side; numbers by hand."""

import math
import time

import numpy as np
import pytest

from serving.pages.alignment import (
    HEADING,
    MOST_ROWS,
    Block,
    Span,
    Spans,
    align,
    matches,
    placed,
    rows,
    similarities,
    style,
)


def texts(*contents: str) -> list[Block]:
    return [Block("paragraph_open", content) for content in contents]


def test_rare_words_make_blocks_similar() -> None:
    """Of 3 blocks, all have the kind, 2 have `fox`, one has `red` and one `hen`."""
    found = similarities(texts("Red fox."), texts("fox", "HEN"))
    kind, fox, one = math.log(4 / 3), math.log(4 / 2), math.log(4 / 1)
    assert found == pytest.approx(
        np.array([[2 * (kind + fox) / (2 * (kind + fox) + one), 2 * kind / (2 * (kind + one) + fox)]])
    )


def test_the_same_kind_makes_blocks_similar_if_it_is_rare() -> None:
    left = [*texts("one", "two"), Block("fence", "three")]
    right = [*texts("four", "five"), Block("fence", "six")]
    found = similarities(left, right)
    assert found[2, 2] > found[1, 1] > found[2, 1] == 0


def test_each_character_is_a_word_where_there_are_no_spaces() -> None:
    assert Block("x", "使用Python編程 now").words == {"<x>", "使", "用", "python", "編", "程", "now"}


def test_matches_keep_the_order_of_both_answers() -> None:
    assert matches(np.array([[0.0, 0.9], [0.8, 0.0]])) == [(0, 1)]
    assert matches(np.array([[0.5, 0.9], [0.0, 0.5]])) == [(0, 0), (1, 1)], "1.0 is more than 0.9"


def test_blocks_that_have_little_in_common_are_not_matched() -> None:
    assert matches(np.array([[0.24, 0.0], [0.0, 0.25]])) == [(1, 1)]


def test_blocks_between_two_matches_stand_beside_each_other() -> None:
    left, right = texts("a", "b", "z"), texts("a", "x", "y", "z")
    assert rows(left, right, [(0, 0), (2, 3)]) == [(0, 0), (1, 1), (None, 2), (2, 3)]
    assert rows(left, right, []) == [(0, 0), (1, 1), (2, 2), (None, 3)]


@pytest.mark.parametrize("last", [Block(HEADING, "Title"), Block("paragraph_open", "Like this:\n")])
def test_what_introduces_a_match_stands_above_it(last: Block) -> None:
    left, right = [*texts("a"), last, *texts("z")], texts("x", "y", "v", "z")
    assert rows(left, right, [(2, 3)]) == [(0, 0), (None, 1), (1, 2), (2, 3)]
    assert rows(left[:2], right[:3], []) == [(0, 0), (1, 1), (None, 2)], "nothing follows"


def test_a_block_reaches_down_to_the_next_one_of_its_answer() -> None:
    """Row 4 has no block: it is what the second left block may be longer than the second and third right ones."""
    assert placed([(0, 0), (1, 1), (None, 2), (2, 3)]) == Spans(
        [Span(1, 2), Span(2, 5), Span(5, 6)], [Span(1, 2), Span(2, 3), Span(3, 4), Span(5, 6)]
    )


def test_one_long_paragraph_stands_beside_all_of_the_other_answer() -> None:
    assert align(texts("one two three"), texts("a", "b", "c")) == Spans(
        [Span(1, 5)], [Span(1, 2), Span(2, 3), Span(3, 4)]
    )


def test_one_paragraph_each_is_one_row() -> None:
    assert align(texts("yes"), texts("no")) == Spans([Span(1, 2)], [Span(1, 2)])


def test_an_answer_without_blocks_leaves_the_other_as_it_is() -> None:
    assert align([], []) == Spans([], [])
    assert align([], texts("a", "b")) == Spans([], [Span(1, 2), Span(2, 3)])


def test_parts_that_are_about_the_same_begin_in_the_same_row() -> None:
    left = texts("Parcels leave on Monday.", "Nobody knows the carrier.", "Ask for a refund within thirty days.")
    right = [Block(HEADING, "Refund"), *texts("A refund is possible for thirty days.")]
    spans = align(left, right)
    assert spans == Spans([Span(1, 2), Span(3, 4), Span(4, 5)], [Span(3, 4), Span(4, 5)])
    assert align(right, left) == Spans(spans.right, spans.left), "sides are drawn, and make no difference"


def test_too_many_blocks_are_not_aligned() -> None:
    many = texts(*map(str, range(MOST_ROWS)))
    assert align(many, many) == Spans(*[[Span(row, row + 1) for row in range(1, MOST_ROWS + 1)]] * 2)
    assert align([*many, *texts("more")], texts("a")) is None
    assert align(many, many[:-1]) is None, "the row after the last one"


def test_every_row_has_a_style() -> None:
    lines = style().splitlines()
    assert lines[0] == ":root{--rows:300}"
    assert lines[1] == ".from-1{grid-row-start:1}.to-1{grid-row-end:1}"
    assert lines[MOST_ROWS + 1].endswith(".to-301{grid-row-end:301}")


def test_the_longest_answers_are_aligned_at_once() -> None:
    left, right = (
        texts(*(" ".join(f"{side}{block * word % 977}" for word in range(40)) for block in range(MOST_ROWS)))
        for side in ("a", "")
    )
    began = time.process_time()
    align(left, right)
    assert time.process_time() - began < 2
