"""The pieces of a text, put together, are the text of the whole answer."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from models.detokenising import AnswerText
from models.scratch import train_tokenizer
from models.tokens import decode_answer
from tests.models.conftest import TEXTS

TOKENIZER = train_tokenizer(TEXTS, 300)  # 256 bytes, 5 control tokens, and 39 pairs of letters


def ids(text: str) -> list[int]:
    encoded: list[int] = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    return encoded


def pieces(
    tokens: Sequence[int], stop: Sequence[str] = (), tokenizer: PreTrainedTokenizerBase = TOKENIZER
) -> list[str]:
    text = AnswerText(tokenizer, stop)
    return [*(text.add([token]) for token in tokens), text.end()]


def test_a_character_of_four_bytes_is_given_out_with_its_last_byte() -> None:
    assert len(ids("😀")) == 4
    assert pieces([*ids("a"), *ids("😀"), *ids("b")]) == ["a", "", "", "", "😀", "b", ""]


def test_bytes_that_are_no_character_are_given_out_at_the_end() -> None:
    assert pieces(ids("😀")[:2]) == ["", "", "\N{REPLACEMENT CHARACTER}"]


@given(st.lists(st.integers(0, 299), max_size=30))
def test_pieces_are_the_text_of_the_answer(tokens: list[int]) -> None:
    assert "".join(pieces(tokens)) == decode_answer(TOKENIZER, tokens)


@given(st.text(max_size=20), st.integers(1, 5))
def test_pieces_of_several_tokens_are_too(text: str, size: int) -> None:
    tokens, answer = ids(text), AnswerText(TOKENIZER)
    parts = [answer.add(tokens[start : start + size]) for start in range(0, len(tokens), size)]
    assert "".join([*parts, answer.end()]) == decode_answer(TOKENIZER, tokens)


def test_white_space_at_both_ends_is_left_out() -> None:
    assert pieces(ids(" a  b ")) == ["", "a", "", "", "  b", "", ""]


@pytest.mark.parametrize(
    ("text", "stop", "kept"),
    [
        ("one two three", ["two"], "one"),
        ("one two three", ["three", "two"], "one"),
        ("one tw", ["two"], "one tw"),
        ("aab", ["ab"], "a"),
        ("abab", ["b"], "a"),
        ("one", ["one"], ""),
    ],
)
def test_an_answer_ends_before_a_stop_sequence(text: str, stop: list[str], kept: str) -> None:
    assert "".join(pieces(ids(text), stop)) == kept


def test_what_may_be_a_stop_sequence_is_held_back() -> None:
    text = AnswerText(TOKENIZER, ["END"])
    assert [text.add(ids(letter)) for letter in "aENxEND!"] == ["a", "", "", "ENx", "", "", "", ""]
    assert (text.stopped, text.end()) == (True, "")
