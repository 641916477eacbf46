from collections.abc import Iterable, Sequence
from itertools import combinations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback import similarity
from feedback.similarity import grams, near_any, near_links

few_words = st.lists(st.sampled_from("abcdefg"), max_size=12).map(" ".join)


def jaccard(first: str, second: str) -> float:
    return len(grams(first) & grams(second)) / max(len(grams(first) | grams(second)), 1)


def test_grams_are_words_and_pairs_of_adjacent_words() -> None:
    assert grams("is it it") == {"is", "it", "is it", "it it"}


def test_a_similarity_of_exactly_the_threshold_counts() -> None:
    # 3 words: 5 grams; 4 words: 7 grams, of which 5 are the same
    assert near_links(["a b c", "a b c d"], 5 / 7).tolist() == [[1, 0]]
    assert near_links(["a b c", "a b c d"], 5 / 7 + 0.001).tolist() == []


def components(count: int, links: Iterable[Sequence[int]]) -> set[frozenset[int]]:
    """The texts that links connect, by number."""
    sets = {number: {number} for number in range(count)}
    for first, second in links:
        merged = sets[first] | sets[second]
        sets |= dict.fromkeys(merged, merged)
    return set(map(frozenset, sets.values()))


def near(texts: Sequence[str], threshold: float, start: int = 0) -> list[tuple[int, int]]:
    """All pairs of near-identical texts, by comparing each with each."""
    pairs = combinations(range(len(texts)), 2)
    return [(j, i) for i, j in pairs if j >= start and jaccard(texts[i], texts[j]) >= threshold - 1e-9]


@settings(deadline=None)
@given(st.lists(few_words, max_size=12, unique=True), st.sampled_from([0.3, 0.5, 0.7, 0.85, 1.0]), st.integers(0, 12))
def test_the_links_connect_what_all_pairs_connect_and_each_is_one(
    texts: list[str], threshold: float, start: int
) -> None:
    links, pairs = near_links(texts, threshold, start).tolist(), near(texts, threshold, start)
    assert components(len(texts), links) == components(len(texts), pairs)
    assert {tuple(link) for link in links} <= set(pairs)


@settings(deadline=None)
@given(
    st.lists(few_words, max_size=12, unique=True),
    st.lists(few_words, max_size=12, unique=True),
    st.sampled_from([0.3, 0.5, 0.7, 0.85, 1.0]),
    st.sampled_from([2, 512]),
)
def test_what_is_near_any_other_is_what_all_comparisons_find(
    texts: list[str], others: list[str], threshold: float, chunk: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similarity, "_CHUNK", chunk)
        found = near_any(texts, others, threshold).tolist()
    near_ones = [any(jaccard(text, other) >= threshold - 1e-9 for other in others) for text in texts]
    assert found == [ix for ix, is_near in enumerate(near_ones) if is_near]


def test_a_text_between_two_others_makes_them_no_copies_of_each_other() -> None:
    assert near_any(["a b c d e f g h"], ["a b c d e f"], 0.7).tolist() == [0]
    assert near_any(["a b c d e f g h", "a b c d e f g h i j"], ["a b c d e f"], 0.7).tolist() == [0]


def test_texts_in_large_components_are_compared_with_those_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "_CHUNK", 2)  # so that five texts are large
    rng = Random(0)
    for start in (0, 10, 35):
        texts = [" ".join(rng.choices("abcdef", k=rng.choice((3, 4)))) for _ in range(60)]
        texts = list(dict.fromkeys(texts))
        links = near_links(texts, 0.5, start).tolist()
        assert components(len(texts), links) == components(len(texts), near(texts, 0.5, start))


def test_many_near_identical_texts_need_few_links() -> None:
    words = [f"w{number}" for number in range(40)]
    texts = [" ".join([*words[:number], f"x{number}", *words[number:]]) for number in range(40)]
    assert len(near(texts, 0.85)) == 780
    assert 39 <= len(near_links(texts, 0.85)) < 300


def test_pairs_before_start_are_left_out() -> None:
    texts = ["a b c d e f g", "a b c d e f g h", "a b c d e f g i"]
    assert components(3, near_links(texts, 0.85, start=0).tolist()) == {frozenset({0, 1, 2})}
    assert near_links(texts, 0.85, start=2).tolist() == [[2, 0]]


@pytest.mark.parametrize("texts", [[], [""], ["", "a"]])
def test_texts_without_words_form_no_pair(texts: list[str]) -> None:
    assert near_links(texts, 0.85).tolist() == []
