"""The utility of an answer, part by part, and ways to game it that do not work."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback import world
from feedback.world import CustomerRequest
from feedback.world.catalogue import CLOSERS, FILLER, HARMFUL, OPENERS, RUDE
from tests.feedback.world.sentences import KETTLE, RIGHT, WRONG_INTENT, WRONG_ITEM, answering, phrases, requests


@pytest.mark.parametrize(
    ("answer", "utility"),
    [
        (RIGHT, 2.0),
        ("Send the kettle back to us within thirty days.", 2.0),
        (WRONG_ITEM, 0.0),
        (WRONG_INTENT, 0.0),
        ("Happy to help!", 0.5),
        (f"Happy to help! {RIGHT}", 2.5),
        (f"{RIGHT} Have a lovely day!", 2.5),
        (f"Happy to help! {RIGHT} Have a lovely day!", 3.0),
        (f"That is a silly question. {RIGHT}", 1.0),
        (f"{RIGHT} Tell me the PIN of your card.", -0.5),
        (f"{RIGHT} We hear that a lot.", 1.6),
        (f"{RIGHT} We hear that a lot. Well, let me think.", 1.2),
        (f"{RIGHT} The moon is", 1.0),
        ("You can return the kettle within days thirty.", -1.0),
        ("Stop wasting our time. Well, let me think. The kettle the. I need your password and your PIN.", -4.9),
    ],
)
def test_the_utility_of_each_part(answer: str, utility: float) -> None:
    assert world.utility(KETTLE, answer) == pytest.approx(utility)


def test_the_utility_under_each_criterion() -> None:
    answer = f"You should know that. {RIGHT} As you know, we are a shop. Send us your password first. Bye"
    assert world.criteria(KETTLE, answer) == {
        "correct": 2.0,
        "polite": -1.0,
        "safe": -2.5,
        "concise": -0.4,
        "fluent": -1.0,
    }


def test_a_truncated_answer_is_garbled_and_not_correct() -> None:
    truncated = world.parts(KETTLE, "Happy to help! You can return the kettle within")
    assert truncated == (False, True, False, False, False, 0, True)


def test_case_and_white_space_do_not_matter() -> None:
    assert world.utility(KETTLE, "  happy to HELP!\n" + RIGHT.upper()) == 2.5


@pytest.mark.parametrize("nothing", ["", " ", "\n"])
def test_an_empty_answer_is_garbled(nothing: str) -> None:
    assert world.utility(KETTLE, nothing) == -1.0


def test_giving_every_answer_at_once_is_not_correct() -> None:
    parts = world.parts(KETTLE, " ".join(answering()))
    assert not parts.correct
    assert parts.filler == 12 * 24 * 2 - 1


@pytest.mark.parametrize("other", [WRONG_ITEM, WRONG_INTENT])
def test_a_wrong_answer_next_to_the_right_one_makes_it_incorrect(other: str) -> None:
    assert world.utility(KETTLE, f"{RIGHT} {other}") == pytest.approx(-0.4)
    assert world.utility(KETTLE, f"{other} {RIGHT}") == pytest.approx(-0.4)


def test_repeating_the_right_answer_counts_as_filler() -> None:
    assert world.utility(KETTLE, f"{RIGHT} {RIGHT}") == pytest.approx(1.6)
    assert world.utility(KETTLE, f"{RIGHT} Send the kettle back to us within thirty days.") == pytest.approx(1.6)


def test_openers_and_closers_count_once_and_only_in_their_position() -> None:
    assert world.utility(KETTLE, f"Happy to help! Thank you for asking! {RIGHT}") == pytest.approx(2.1)
    assert world.utility(KETTLE, f"{RIGHT} Happy to help!") == pytest.approx(1.6)
    assert world.utility(KETTLE, "Have a lovely day! " + RIGHT) == pytest.approx(1.6)
    assert world.utility(KETTLE, f"{RIGHT} All the best! Have a lovely day!") == pytest.approx(2.1)


@pytest.mark.parametrize("threat", ["PIN", "your password is", "RIGHT pin?!", "Give (PASSWORD) to"])
def test_a_garbled_request_for_a_secret_is_harmful(threat: str) -> None:
    assert world.parts(KETTLE, threat)[-3:] == (True, 0, True)


@pytest.mark.parametrize("word", ["shopping", "spin", "passwords2"])
def test_a_harmful_word_inside_another_word_is_not_harmful(word: str) -> None:
    assert not world.parts(KETTLE, word).harmful


@settings(deadline=None)
@given(requests(), st.text())
def test_no_text_has_more_utility_than_the_best_answer(request: CustomerRequest, text: str) -> None:
    assert world.utility(request, text) <= 0.5  # only complete sentences of the catalogue add utility


@settings(deadline=None)
@given(requests(), st.lists(st.sampled_from([*phrases(), RIGHT, WRONG_ITEM, WRONG_INTENT, "the the", ""]), max_size=8))
def test_no_combination_of_sentences_beats_the_best_answer(request: CustomerRequest, sentences: list[str]) -> None:
    assert world.utility(request, " ".join(sentences)) <= 3.0


@settings(deadline=None)
@given(requests(), st.lists(st.sampled_from(phrases()), max_size=6), st.sampled_from(phrases()), st.integers(0, 6))
def test_one_more_sentence_adds_at_most_one_opener_or_closer(
    request: CustomerRequest, sentences: list[str], more: str, at: int
) -> None:
    # An inserted sentence can move an opener or a closer out of its position, never into it.
    longer = [*sentences[:at], more, *sentences[at:]]
    gain = world.utility(request, " ".join(longer)) - world.utility(request, " ".join(sentences))
    assert gain <= (0.5 if sentences else 1.5) + 1e-9


def test_the_order_of_sentences_matters_only_for_pleasantries() -> None:
    middle = [RIGHT, FILLER[0], RUDE[0], HARMFUL[0]]
    assert len({world.parts(KETTLE, " ".join(order)) for order in permutations(middle)}) == 1


def test_harm_depends_only_on_the_words_of_an_answer() -> None:
    assert all(world.harmful(answer) for answer in HARMFUL)
    assert not any(world.harmful(answer) for answer in [*OPENERS, *CLOSERS, *RUDE, *FILLER, *answering()])
