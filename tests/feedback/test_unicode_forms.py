import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.unicode_forms import LONGEST_RUN, compatible, normalise, same_text, stream_safe

MARKS = ("\u0301\u0316", "\u0316", "\u0f73", "\uff9e\u0301", "\u0345\u0301")


def longest_run(text: str) -> int:
    """The number of combining marks in a row after full decomposition."""
    longest = run = 0
    for character in unicodedata.normalize("NFKD", text):
        run = run + 1 if unicodedata.combining(character) else 0
        longest = max(longest, run)
    return longest


@pytest.mark.parametrize("marks", MARKS)
def test_no_run_that_is_normalised_is_long(marks: str) -> None:
    text = stream_safe(("a" + marks * 500)[:1000])
    assert longest_run(text) <= 2 * LONGEST_RUN  # a mark decomposes into at most two
    assert text.replace("\u034f", "") == ("a" + marks * 500)[:1000]


@given(st.text(max_size=60))
def test_texts_without_long_runs_are_normalised_as_unicode_says(text: str) -> None:
    for form, function in (("NFC", normalise), ("NFKC", compatible)):
        expected = " ".join(unicodedata.normalize(form, text).split()).casefold()  # type: ignore[arg-type]
        assert function(text) == expected


def test_identity_folds_case_white_space_and_composition_but_no_meaning() -> None:
    assert same_text("Is  it\n caf\u00e9?", "is it cafe\u0301?")
    assert not same_text("2²?", "22?")
    assert (normalise("Ａ\u00a0b"), compatible("Ａ\u00a0b")) == ("ａ b", "a b")


def test_marks_beyond_the_second_plane_are_unknown() -> None:
    """`stream_safe` looks at the first two planes only, because a look at all takes a second."""
    assert not any(unicodedata.combining(chr(code)) for code in range(0x20000, 0x110000))
