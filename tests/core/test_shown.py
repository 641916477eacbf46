"""Text as it is shown: no character that a terminal acts on, no secret, and no more than asked for."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.shown import HIDDEN, escaped, is_hidden, noted, number, shortened, shown, significant

ANYTHING = st.text(st.characters())
"""Lone surrogates and control characters included."""


@given(ANYTHING)
def test_what_is_shown_has_no_hidden_character(text: str) -> None:
    assert not any(map(is_hidden, shown(text)))
    shown(text).encode()  # no surrogate is left


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"])))
def test_ordinary_text_is_unchanged(text: str) -> None:
    assert escaped(text) == text


@given(ANYTHING)
def test_the_visible_part_stays(text: str) -> None:
    visible = [character for character in text if unicodedata.category(character) not in HIDDEN]
    rest = iter(escaped(text))
    assert all(character in rest for character in visible)


def test_escapes_are_those_of_python() -> None:
    assert escaped("a\x1b[2J\r\x00\x9b\u202e\ud800\n\tb\u200d") == "a\\x1b[2J\\r\\x00\\x9b\\u202e\\ud800\n\tb\u200d"


def test_a_long_text_is_cut_with_a_mark() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abcde…"
    assert len(noted("\x1b" * 10_000)) == 5000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.123"),
        (2 / 3, "0.667"),
        (0.9996, "1"),
        (999.4, "999"),
        (999.6, "1,000"),
        (1234567.8, "1,234,568"),
        (7, "7"),
        (-2000.4, "-2,000"),
        (1e-05 / 3, "3.33e-06"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
    ],
)
def test_numbers_have_three_digits_and_whole_ones_all_of_theirs(value: float, text: str) -> None:
    assert number(value) == text


def test_a_number_with_three_digits_stays_a_number() -> None:
    assert [significant(value) for value in (2 / 3, 1234.5, 12345, 0.1 + 0.2)] == [0.667, 1234.0, 12345, 0.3]
