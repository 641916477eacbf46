"""Words, sentences and paragraphs, by hand."""

import pytest

from feedback.sentences import is_ended, is_one_paragraph, sentences, words


def test_words_are_counted_with_apostrophes_hyphens_and_numbers() -> None:
    assert words("Don't eat 2 well-made cakes!") == ["don't", "eat", "2", "well-made", "cakes"]
    assert words("... – *") == []


def test_sentences_end_at_marks_and_line_breaks() -> None:
    assert sentences('One. "Two!" Three? Four') == ["One.", '"Two!', "Three?", "Four"]
    assert sentences("A line\n\n- an item\n...") == ["A line", "- an item"]
    assert sentences("At 3.5 degrees it freezes.") == ["At 3.5 degrees it freezes."]
    assert sentences("1. Open it.\n2. Close it.") == ["Open it.", "Close it."]
    assert sentences("") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One sentence. Another one.", True),
        (" \nIn the middle of empty lines.\n", True),
        ("It was in row 7. That was far.", True),
        ("First.\nSecond.", False),
        ("- a single item", False),
        ("Do this: 1. open it 2. close it", False),
        ("", True),
    ],
)
def test_a_paragraph_has_no_line_break_and_no_list(text: str, expected: bool) -> None:
    assert is_one_paragraph(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Done.", True), ('He said "go!"', True), ("Is it? \n", True), ("and then the", False), ("", False)],
)
def test_a_text_is_ended_by_a_mark(text: str, expected: bool) -> None:
    assert is_ended(text) is expected
