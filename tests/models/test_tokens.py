from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from core.errors import BadFeedback, BadParams
from models.scratch import train_tokenizer
from models.tokens import EncodedPrompt, Turn, by_length, decode_answer, encode_answers, encode_prompts, pad

PAD, END, SYSTEM, USER, ASSISTANT = range(5)
BYTES = train_tokenizer([], 261)  # no merges: one token a byte

fragments = st.sampled_from(["<|assistant|>", "<|end|>", "<|user|>", "<|", "|>", "<|pad|>", "\n\n", "Assistant:", "hi"])
texts = st.lists(fragments | st.text(max_size=5), max_size=8).map("".join)


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def spelt(text: str) -> list[int]:
    ids: list[int] = BYTES(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return ids


def encode_one(tokenizer: PreTrainedTokenizerBase, prompt: Sequence[Turn], limit: int) -> EncodedPrompt:
    [encoded] = encode_prompts(tokenizer, [prompt], limit)
    return encoded


def answer_ids(tokenizer: PreTrainedTokenizerBase, text: str, limit: int, end: bool = True) -> list[int]:
    [ids] = encode_answers(tokenizer, [text], limit, end)
    return ids


@given(st.lists(texts, max_size=4))
def test_many_are_encoded_as_each_alone(contents: list[str]) -> None:
    plain = PreTrainedTokenizerFast(tokenizer_object=BYTES.backend_tokenizer, eos_token="<|end|>")
    for tokenizer in (BYTES, plain):
        alone = [encode_one(tokenizer, user(text), 24) for text in contents]
        assert encode_prompts(tokenizer, map(user, contents), 24) == alone
        assert encode_answers(tokenizer, contents, 24) == [answer_ids(tokenizer, text, 24) for text in contents]


def test_of_many_prompts_the_refused_one_is_named(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{{ m.content }}{% endfor %}"
    )
    with pytest.raises(BadFeedback, match=r"refuses the turns \[system user\]: no system"):
        encode_prompts(tokenizer, [user("hi"), [{"role": "system", "content": "x"}, *user("hi")]], 64)


def test_a_prompt_ends_where_the_answer_begins() -> None:
    turns = [{"role": "system", "content": "be kind"}, *user("hi")]
    expected = [SYSTEM, *spelt("be kind"), END, USER, *spelt("hi"), END, ASSISTANT]
    assert encode_one(BYTES, turns, 64) == (expected, 0)


@given(texts)
def test_text_cannot_forge_a_turn(text: str) -> None:
    ids = encode_one(BYTES, user(text), 10_000).ids
    assert [token for token in ids if token < 5] == [USER, END, ASSISTANT]


def test_control_tokens_in_text_are_spelt_out() -> None:
    ids = encode_one(BYTES, user("a<|end|>b"), 64).ids
    assert BYTES.decode(ids[1:-2]) == "a<|end|>b"
    assert ids[1:-2] == spelt("a<|end|>b")


def test_a_role_cannot_forge_a_turn() -> None:
    with pytest.raises(BadFeedback, match="turn 0 has role 'pad'"):
        encode_one(BYTES, [{"role": "pad", "content": "hi"}], 64)


def test_a_prompt_without_turns_is_refused() -> None:
    with pytest.raises(BadFeedback, match="without turns"):
        encode_one(BYTES, [], 64)


def test_what_a_template_refuses_is_said_with_the_roles(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.chat_template = "{{ raise_exception('System role not supported') }}"
    with pytest.raises(BadFeedback, match=r"refuses the turns \[user\]: System role not supported"):
        encode_one(tokenizer, user("hi"), 64)


def test_the_plain_form(plain: PreTrainedTokenizerFast) -> None:
    turns = [{"role": "system", "content": "Be kind."}, *user("Hello")]
    assert plain.decode(encode_one(plain, turns, 64).ids) == "System: Be kind.\n\nUser: Hello\n\nAssistant:"


@given(texts)
def test_text_cannot_forge_a_turn_in_the_plain_form(text: str) -> None:
    bare = train_tokenizer([], 261)
    bare.chat_template = None
    ids = encode_one(bare, user(text), 10_000).ids
    assert min(ids) >= 5
    assert bare.decode(ids).count("\n\n") == 1


def test_a_long_prompt_loses_its_beginning() -> None:
    # <user> 10 letters <end> <assistant> = 13 tokens
    encoded = encode_one(BYTES, user("abcdefghij"), 6)
    assert encoded == ([*spelt("ghij"), END, ASSISTANT], 7)


def test_a_cut_prompt_keeps_bos() -> None:
    tokenizer = train_tokenizer([], 261)
    tokenizer.bos_token = "<|pad|>"
    tokenizer.chat_template = "{{ bos_token }}" + str(tokenizer.chat_template)
    assert encode_one(tokenizer, user("abcdef"), 5) == ([PAD, *spelt("ef"), END, ASSISTANT], 5)


def test_a_limit_below_the_template_is_refused() -> None:
    with pytest.raises(BadParams, match="1 prompt tokens"):
        encode_one(BYTES, user("abcdef"), 1)


def test_an_answer_ends_with_eos_where_it_fits() -> None:
    assert answer_ids(BYTES, "abc", 4) == [*spelt("abc"), END]
    assert answer_ids(BYTES, "abc", 3) == spelt("abc")
    assert answer_ids(BYTES, "abc", 2) == spelt("ab")
    assert answer_ids(BYTES, "abc", 4, end=False) == spelt("abc")


def test_an_answer_cannot_end_itself() -> None:
    assert answer_ids(BYTES, "a<|end|>", 64).count(END) == 1


def test_an_answer_in_the_plain_form_begins_with_a_space(plain: PreTrainedTokenizerFast) -> None:
    ids = answer_ids(plain, "Hello", 64)
    assert plain.decode(ids, skip_special_tokens=True) == " Hello"
    assert decode_answer(plain, ids) == "Hello"


@given(texts)
def test_answers_survive_the_round_trip(text: str) -> None:
    assert decode_answer(BYTES, answer_ids(BYTES, text, 10_000)) == text.strip()


def test_padding_is_on_the_right_and_known_by_its_place() -> None:
    batch = pad([[7, 8], [9]], [[5], [6, 0, 0]], pad_id=0)  # 0 is both padding and a token
    assert batch.ids.tolist() == [[7, 8, 5, 0], [9, 6, 0, 0]]
    assert batch.mask.tolist() == [[True, True, True, False], [True, True, True, True]]
    assert batch.response.tolist() == [[False, False, True, False], [False, True, True, True]]


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(BadFeedback, match="prompt 1 "):
        pad([[1], []], [[2], [3]], 0)


def test_no_rows_make_an_empty_batch() -> None:
    assert pad([], [], 0).ids.shape == (0, 0)


def test_minibatches_hold_rows_of_similar_length() -> None:
    assert by_length([5, 1, 4, 2], 2, None) == [[1, 3], [2, 0]]


@given(st.lists(st.integers(1, 9), max_size=30), st.integers(1, 8), st.integers(0, 5))
def test_every_row_is_in_one_minibatch(lengths: list[int], size: int, seed: int) -> None:
    batches = by_length(lengths, size, torch.Generator().manual_seed(seed))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(len(batch) <= size for batch in batches)
    spans = sorted((min(lengths[i] for i in batch), max(lengths[i] for i in batch)) for batch in batches)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert batches == by_length(lengths, size, torch.Generator().manual_seed(seed))
