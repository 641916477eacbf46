from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback.similarity import grams, near_pairs

few_words = st.lists(st.sampled_from("abcdefg"), max_size=12).map(" ".join)


def jaccard(first: str, second: str) -> float:
    return len(grams(first) & grams(second)) / max(len(grams(first) | grams(second)), 1)


def test_grams_are_words_and_pairs_of_adjacent_words() -> None:
    assert grams("is it it") == {"is", "it", "is it", "it it"}


def test_a_similarity_of_exactly_the_threshold_counts() -> None:
    # 3 words: 5 grams; 4 words: 7 grams, of which 5 are the same
    assert near_pairs(["a b c", "a b c d"], 5 / 7).tolist() == [[1, 0]]
    assert near_pairs(["a b c", "a b c d"], 5 / 7 + 0.001).tolist() == []


@settings(deadline=None)
@given(st.lists(few_words, max_size=12, unique=True), st.sampled_from([0.3, 0.5, 0.7, 0.85, 1.0]))
def test_the_filter_misses_no_pair_and_adds_none(texts: list[str], threshold: float) -> None:
    pairs = {(int(i), int(j)) for i, j in near_pairs(texts, threshold)}
    assert pairs == {
        (j, i) for i, j in combinations(range(len(texts)), 2) if jaccard(texts[i], texts[j]) >= threshold - 1e-9
    }


def test_pairs_before_start_are_left_out() -> None:
    texts = ["a b c d e f g", "a b c d e f g h", "a b c d e f g i"]
    assert near_pairs(texts, 0.85, start=0).shape == (2, 2)
    assert near_pairs(texts, 0.85, start=2).tolist() == [[2, 0]]


@pytest.mark.parametrize("texts", [[], [""], ["", "a"]])
def test_texts_without_words_form_no_pair(texts: list[str]) -> None:
    assert near_pairs(texts, 0.85).tolist() == []
