"""Comparisons whose prompts are computed once."""

from dataclasses import replace

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from models.pairs import EncodedComparisons, encode
from tests.models.test_reward import row

DATA = [
    row("a parcel", "x", "a long answer to it"),
    row("b", "x", "z"),
    row("a parcel", "thanks", "a long answer to it"),
    row("where is my lamp", "yes", "no"),
]


@pytest.fixture
def packed(tokenizer: PreTrainedTokenizerFast) -> EncodedComparisons:
    return replace(encode(tokenizer, DATA, 40, 12), packed=True)


def test_a_microbatch_counts_the_tokens_of_packed_rows(packed: EncodedComparisons) -> None:
    limit = 2 * max(packed.lengths) + 12
    parts = packed.microbatches([0, 1, 2], limit)
    assert sorted(prompt for part in parts for prompt in part) == [0, 1, 2]
    for part in parts:
        texts = [[len(packed.texts[text]) for text in packed.answers_to(prompt)] for prompt in part]
        rows = [len(packed.prompts[prompt]) + sum(own) for prompt, own in zip(part, texts, strict=True)]
        assert len(part) == 1 or len(rows) * max(rows) <= limit
    assert len(parts) == 2  # three texts of the first prompt, and both others


def test_minibatches_are_those_of_texts_apart(packed: EncodedComparisons) -> None:
    assert packed.minibatches(2) == replace(packed, packed=False).minibatches(2)


def test_a_batch_names_the_number_of_texts_of_each_prompt(packed: EncodedComparisons) -> None:
    assert packed.collate([2, 0], 0).counts == (2, 3)
    assert replace(packed, packed=False).collate([2, 0], 0).counts == ()


def test_less_is_saved_the_longer_answers_are(packed: EncodedComparisons) -> None:
    counts = np.diff(packed.first_answer)
    answers = np.add.reduceat(packed.texts.lengths[packed.answers], packed.first_answer[:-1])
    tokens = (packed.prompts.lengths + answers).sum() / (counts * packed.prompts.lengths + answers).sum()
    assert packed.packed_share(10**6) == pytest.approx(tokens, rel=1e-3)  # matrices alone count in a wide model
    assert packed.packed_share(16) > tokens  # attention to the other answers is computed and thrown away
